-- Libraries that authors use, as Debian ships them: they load in a bundle, and work in steps.

local driver = require "spec.support.driver"

local LIBRARIES = {
  ["socket.url"] = [[return require("socket.url").parse("http://a.example:80/x?y=1").host]],
  mime = [[return (require("mime").b64("weir"))]],
  socket = [[
    local socket = require "socket"
    local server = assert(socket.bind("127.0.0.1", 0))
    local client = assert(socket.connect("127.0.0.1", (select(2, server:getsockname()))))
    local served = assert(server:accept())
    served:send "hello\n"
    local line = client:receive()
    for _, one in ipairs { client, served, server } do one:close() end
    return line]],
  ["socket.http"] = [[
    local socket, ltn12 = require "socket", require "ltn12"
    local http = require "socket.http"
    local server = assert(socket.bind("127.0.0.1", 0))
    local body = {}
    local ok, code = http.request {
      url = "http://127.0.0.1:" .. select(2, server:getsockname()) .. "/", sink = ltn12.sink.table(body),
      create = function() -- the server answers while the client waits for it
        local tcp = socket.tcp()
        return setmetatable({ receive = function(_, ...)
          if not body.served then
            body.served = server:accept()
            body.served:send "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"
          end
          return tcp:receive(...)
        end }, { __index = function(_, name)
          return function(_, ...) return tcp[name](tcp, ...) end
        end })
      end,
    }
    body.served:close()
    server:close()
    return { ok, code, body[1] }]],
  ["ssl.https"] = [[
    local ssl = require "ssl"
    return { type(require("ssl.https").request), type(ssl.newcontext { mode = "client", protocol = "any" }) }]],
  ["pl.List"] = [[return tostring(require("pl.List") { 3, 1, 2 }:sort():map(function(x) return x * 2 end))]],
  ["pl.pretty"] = [[return require("pl.pretty").write({ 1, 2 }, "")]],
  ["pl.stringx"] = [[return require("pl.stringx").split("a b"):concat ","]],
  luaunit = [[local lu = require "luaunit" lu.assertEquals(1, 1) return (pcall(lu.assertEquals, 1, 2))]],
  term = [[return type(require("term").isatty(io.stdout))]],
}

local EXPECTED = {
  ["socket.url"] = "a.example", mime = "d2Vpcg==", socket = "hello", ["socket.http"] = { 1, 200, "ok" },
  ["ssl.https"] = { "function", "userdata" }, ["pl.List"] = "{2,4,6}", ["pl.pretty"] = "{1,2}", ["pl.stringx"] = "a,b",
  luaunit = false, term = "boolean",
}

describe("a library", function()
  for name, code in pairs(LIBRARIES) do
    it(("that authors use loads and works in a step: %s"):format(name), function()
      local made = driver.new { always_replay = true, files = { ["w.lua"] = ([[
        local weir = require "weir"
        require %q
        return weir.workflow { id = "w", retry = { attempts = 1 }, run = function(ctx)
          return ctx:step("s", function() %s end)
        end }]]):format(name, code) } }
      local view = made:run "w"
      assert.is_nil(view.error and view.error.message)
      assert.same(EXPECTED[name], view.result)
    end)
  end
end)
