-- The load: one request after the other on every connection, made from what the harness has prepared.
-- Settings come by environment: wrk hands arguments only to init, and done runs without them.
local function number(name) return tonumber(os.getenv(name)) end

local kind = os.getenv("BENCH_KIND")
local users = number("BENCH_USERS")              -- 1 to users are known
local fresh = number("BENCH_FRESH")              -- numbers from here on have never been seen
local new_every = number("BENCH_NEW_EVERY")      -- every nth login is somebody new; 0: nobody is
local sealed_every = number("BENCH_SEALED_EVERY") -- every nth login brings a profile
local seed = number("BENCH_SEED")
local credential = os.getenv("BENCH_CREDENTIAL")
local picture = os.getenv("BENCH_PICTURE")
-- Coprime to all numbers of users that occur, so that everybody has had their turn before anybody has another.
local STRIDE = 7368787

local function lines(name)
  local read = {}
  for line in io.lines(os.getenv(name)) do read[#read + 1] = line end
  return read
end

local payloads = lines("BENCH_PAYLOADS")         -- one sealed profile per session_key
local people = {}                                -- who is signed in, for requests that need it
for _, line in ipairs(lines("BENCH_PEOPLE")) do
  local access, refresh, user = line:match("(%S+) (%S+) (%S+)")
  people[#people + 1] = { access = access, refresh = refresh, user = user }
end
local held, oldest, newest = {}, 1, #people      -- refresh tokens that wait for their turn
for index, person in ipairs(people) do held[index] = person.refresh end

local AGENT = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) MicroMessenger/8.0.50 NetType/WIFI MiniProgram"
local JSON = { ["Content-Type"] = "application/json", ["User-Agent"] = AGENT }
local sent = 0

local function bearer(token, more)
  local headers = { ["Authorization"] = "Bearer " .. token, ["User-Agent"] = AGENT }
  for name, value in pairs(more or {}) do headers[name] = value end
  return headers
end

local function code(user)
  return ("u%dk%dn%d"):format(user, (seed + sent) % #payloads, sent)
end

local function next_person() return people[1 + sent % #people] end

-- Each kind: the request, and what a good answer has.
local kinds = {
  login = {
    make = function()
      local is_new = new_every > 0 and sent % new_every == 0
      local user = is_new and fresh + sent or 1 + (seed + sent * STRIDE) % users
      local sealed = sent % sealed_every == 0 and "," .. payloads[1 + (seed + sent) % #payloads] or ""
      return "POST", "/api/v1/auth/login", JSON, '{"code":"' .. code(user) .. '"' .. sealed .. "}"
    end,
    status = 200, mark = '"access_token":"eyJ',
  },
  refresh = {
    make = function()
      local token = held[oldest]
      held[oldest], oldest = nil, oldest + 1
      return "POST", "/api/v1/sessions/refresh", JSON, '{"refresh_token":"' .. (token or "none is left") .. '"}'
    end,
    keep = function(body)
      newest = newest + 1
      held[newest] = body:match('"refresh_token":"([^"]+)"')
    end,
    status = 200, mark = '"access_token":"eyJ',
  },
  profile = {
    make = function() return "GET", "/api/v1/me", bearer(next_person().access) end,
    status = 200, mark = '"nickname"',
  },
  phone = {
    make = function()
      local person = next_person()
      local more = { ["Content-Type"] = "application/json", ["Step-Up-Code"] = code(person.user) }
      -- Another number than last time, so that there is something to store.
      local phone = 13800000000 + (math.floor(sent / #people) % 2) * 10000000 + person.user
      return "POST", "/api/v1/me/phone", bearer(person.access, more), ('{"code":"%dp%d"}'):format(phone, fresh + sent)
    end,
    status = 200, mark = '"phone":"+86',
  },
  keys = {
    make = function() return "GET", "/.well-known/jwks.json", {} end,
    status = 200, mark = '"keys"',
  },
  ["picture kept"] = {
    make = function() return "GET", picture, {} end,
    status = 200, mark = "JFIF",
  },
  ["picture made"] = {
    make = function()
      local headers = bearer(credential, { ["Content-Type"] = "application/json" })
      return "POST", "/internal/v1/qrcodes", headers, ('{"scene":"b=%d.%d"}'):format(fresh, sent)
    end,
    status = 200, mark = '"url"',
  },
  introspection = {
    make = function()
      local headers = bearer(credential, { ["Content-Type"] = "application/x-www-form-urlencoded" })
      return "POST", "/oauth/introspect", headers, "token=" .. next_person().access
    end,
    status = 200, mark = '"active":true',
  },
  verify = {
    make = function() return "GET", "/auth/verify", bearer(next_person().access) end,
    status = 204, mark = "",
  },
  exchange = {
    make = function() return "GET", "/sns/jscode2session?appid=x&secret=x&js_code=" .. code(sent) .. "&grant_type=x", {} end,
    status = 200, mark = '"openid"',
  },
}

local chosen = kinds[kind]
local threads = {}
good = 0
bad = 0
sample = ""

function setup(thread) threads[#threads + 1] = thread end

function request()
  local method, path, headers, body = chosen.make()
  sent = sent + 1
  return wrk.format(method, path, headers, body)
end

function response(status, _, body)
  if status == chosen.status and body:find(chosen.mark, 1, true) then
    good = good + 1
    if chosen.keep then chosen.keep(body) end
  else
    bad = bad + 1
    if bad == 1 then sample = status .. " " .. body end
  end
end

function done(summary, latency)
  local out = io.open(os.getenv("BENCH_RESULT"), "w")
  local errors = summary.errors
  out:write(string.format('{"good":%d,"bad":%d,"seconds":%.6f,"p50":%.3f,"p99":%.3f,"max":%.3f,"lost":%d,"timeouts":%d}\n',
    threads[1]:get("good"), threads[1]:get("bad"), summary.duration / 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000,
    errors.connect + errors.read + errors.write, errors.timeout))
  out:write(threads[1]:get("sample"))
  out:close()
end
