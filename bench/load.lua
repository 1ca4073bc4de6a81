-- The load: one login after the other on every connection, with the same body for authsvc and the baseline.
-- Settings come by environment: wrk hands arguments only to init, and done runs without them.
local users = tonumber(os.getenv("BENCH_USERS"))        -- user numbers used in turn
local first = tonumber(os.getenv("BENCH_FIRST"))        -- the first of them
local payloads = {}                                     -- one sealed payload per session_key
for line in io.lines(os.getenv("BENCH_PAYLOADS")) do payloads[#payloads + 1] = line end

local headers = { ["Content-Type"] = "application/json", ["User-Agent"] = "MicroMessenger/8.0 NetType/WIFI MiniProgram" }
local sent = 0
local threads = {}
good = 0
bad = 0
sample = ""

function setup(thread) threads[#threads + 1] = thread end

function request()
  local round = math.floor(sent / users)
  local key = round % #payloads
  local code = "u" .. (first + sent % users) .. "k" .. key .. "n" .. sent
  sent = sent + 1
  return wrk.format("POST", "/api/v1/auth/login", headers, '{"code":"' .. code .. '",' .. payloads[key + 1] .. "}")
end

function response(status, _, body)
  local token = body:find('"access_token":"eyJ', 1, true)
  if status == 200 and token then
    good = good + 1
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
