// The page of /signin: shows a code, asks how far it is, hands the tokens to the page that opened this one.
'use strict'

const main = document.querySelector('main')
const picture = main.querySelector('img')
const status = main.querySelector('.status')
const name = main.querySelector('.name')
const again = main.querySelector('button')
const OVER = ['approved', 'refused', 'expired', 'failed']

async function call(path, body) {
  const answer = await fetch(`api/v1/scan-sign-ins/${path}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body)
  })
  if (answer.ok) return (await answer.json()).data
  throw Object.assign(new Error(path), { isFinal: answer.status < 500 && answer.status !== 429 })
}

function show(state) {
  if (main.dataset.state === state) return
  main.dataset.state = state
  status.textContent = status.dataset[state]
  picture.hidden = state === 'loading' || state === 'failed' || state === 'approved'
  again.hidden = !OVER.includes(state) || state === 'approved'
}

async function start() {
  show('loading')
  try {
    const code = await call('start', {})
    picture.src = code.picture
    show('pending')
    await follow(code)
  } catch {
    show('failed')
  }
}

// A poll that gets lost is made up for by the next one, until time has run out.
async function follow(code) {
  let end = performance.now() + 1000 * code.expires_in
  while (!OVER.includes(main.dataset.state)) {
    await new Promise(resolve => setTimeout(resolve, 1000 * code.poll_after))
    try {
      const { state, expires_in, tokens } = await call('poll', { id: code.id })
      end = performance.now() + 1000 * expires_in
      if (tokens) signedIn(tokens)
      show(state)
    } catch (error) {
      if (error.isFinal || performance.now() > end) show('expired')
    }
  }
}

function signedIn(tokens) {
  name.textContent = tokens.user.nickname ?? ''
  name.hidden = !tokens.user.nickname
  // The browser delivers this to that origin only, whoever the opener is by now.
  if (main.dataset.origin) window.opener?.postMessage({ type: 'authsvc:signed-in', tokens }, main.dataset.origin)
}

again.addEventListener('click', () => {
  status.focus() // the button goes away, and the focus with it
  start()
})
start()
