-- proxy: lua5.4 tests/support/proxy.lua PORT OF_REDIS FOLDER
--
-- Stands between hosts and Redis, on the loopback interface, as a firewall or a tunnel does that may forget
-- connections: when FOLDER/freeze is there, it stops carrying bytes for the connections that it has, closes none of
-- them, and writes to FOLDER/frozen how many that were. The file says which: "all", or "workers": those over which a
-- worker has called. Connections made after that are carried.

local socket = require "socket"

local PORT, REDIS, FOLDER = arg[1], arg[2], arg[3]

local server = assert(socket.bind("127.0.0.1", PORT))
local peer_of, frozen, is_worker = {}, {}, {}

local function accept()
  local client = server:accept()
  local upstream = assert(socket.connect("127.0.0.1", REDIS))
  for _, one in ipairs { client, upstream } do
    one:settimeout(0)
    one:setoption("tcp-nodelay", true)
  end
  peer_of[client], peer_of[upstream] = upstream, client
end

local function close(one)
  local other = peer_of[one]
  peer_of[one], peer_of[other] = nil, nil
  one:close()
  other:close()
end

local function carry(from)
  local to = peer_of[from]
  if not to then return end
  local whole, why, part = from:receive(65536)
  local bytes = whole or part
  -- "<host>.<worker>" is an argument of each call; the main thread is worker 0
  if bytes:find "\r\n%d+%.[1-9]%d*\r\n" then is_worker[from], is_worker[to] = true, true end
  to:settimeout(5)
  to:send(bytes)
  to:settimeout(0)
  if why == "closed" then close(from) end
end

local function freeze()
  local file = io.open(FOLDER .. "/freeze")
  if not file then return end
  local which = file:read "a"
  file:close()
  os.remove(FOLDER .. "/freeze")
  local count = 0
  for one in pairs(peer_of) do
    if (which == "all" or is_worker[one]) and not frozen[one] then frozen[one], count = true, count + 1 end
  end
  local told <close> = assert(io.open(FOLDER .. "/frozen.new", "w"))
  told:write(("%d"):format(count // 2))
  told:close()
  assert(os.rename(FOLDER .. "/frozen.new", FOLDER .. "/frozen"))
end

while true do
  freeze()
  local readable = { server }
  for one in pairs(peer_of) do
    if not frozen[one] then readable[#readable + 1] = one end
  end
  for _, one in ipairs((socket.select(readable, nil, 0.01))) do
    if one == server then accept() else carry(one) end
  end
end
