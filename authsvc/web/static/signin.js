// The page of /signin: shows a code, asks how far it is, hands the tokens to the page that opened this one.
'use strict'

const main = document.querySelector('main')
const picture = main.querySelector('.scannable')
const status = main.querySelector('.status')
const name = main.querySelector('.name')
const again = main.querySelector('button')
const left = main.querySelector('.left')
const spoken = main.querySelector('.spoken')
const report = main.querySelector('.report')
const SPOKEN = [60, 15] // seconds before the end; a countdown read aloud each second would drown everything else
const OVER = ['approved', 'refused', 'expired', 'failed']

async function call(path, body) {
  const answer = await fetch(`api/v1/scan-sign-ins/${path}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body)
  })
  if (answer.ok) return (await answer.json()).data
  const { error = '', request_id } = await answer.json().catch(() => ({}))
  throw Object.assign(new Error(path), {
    isFinal: answer.status < 500 && answer.status !== 429,
    status: answer.status,
    seconds: answer.headers.get('Retry-After') ?? '60',
    name: error,
    line: [answer.status, error, request_id].filter(Boolean).join(' · ')
  })
}

function show(state) {
  if (main.dataset.state === state) return
  main.dataset.state = state
  status.textContent = status.dataset[state]
  picture.hidden = state === 'loading' || state === 'failed' || state === 'approved'
  again.hidden = !OVER.includes(state) || state === 'approved'
  again.textContent = state === 'failed' ? again.dataset.retry : again.dataset.again
  report.hidden = true
  if (OVER.includes(state) || state === 'loading') left.hidden = true
}

// What is wrong, for the visitor; below it the line by which the operator finds the cause.
function explain(error) {
  show('failed')
  status.textContent = status.dataset[reasonOf(error)].replace('{seconds}', error.seconds)
  report.hidden = !error.line
  report.querySelector('code').textContent = error.line ?? ''
  again.focus()
}

function reasonOf(error) {
  if (!error.status) return 'network'
  if (/^(wx|wechat)_/.test(error.name)) return 'wechat'
  if (error.status === 429) return 'limited'
  if (error.status === 404) return 'off'
  return 'failed'
}

// Shows the time that is left, each second; says it aloud twice.
function countDown(seconds) {
  const whole = Math.max(0, Math.ceil(seconds))
  const time = `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`
  left.textContent = left.dataset.text.replace('{time}', time)
  left.hidden = OVER.includes(main.dataset.state)
  const near = !left.hidden && SPOKEN.findLast(moment => whole > 0 && whole <= moment)
  if (spoken.dataset.said === String(near)) return
  spoken.dataset.said = near
  spoken.textContent = near ? spoken.dataset.text.replace('{seconds}', whole) : ''
}

async function start() {
  show('loading')
  try {
    const code = await call('start', main.dataset.appid ? { appid: main.dataset.appid } : {})
    picture.src = code.picture
    show('pending')
    await follow(code)
  } catch (error) {
    explain(error)
  }
}

// A poll that gets lost is made up for by the next one, until time has run out.
async function follow(code) {
  let end = performance.now() + 1000 * code.expires_in
  const tick = () => countDown((end - performance.now()) / 1000)
  tick()
  const ticking = setInterval(tick, 1000)
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
  clearInterval(ticking)
  tick()
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
