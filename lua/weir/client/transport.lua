-- The client functions reach Redis, the clock and random numbers only through this module. The command line sets a
-- transport that blocks (weir.transport.blocking); an event loop sets one that yields the calling coroutine. A client
-- function may wait wherever it calls this module, and nowhere else.

local transport = {}

---@class weir.Transport
---@field call fun(...: (string|integer)[]): table sends groups as one batch; its reply: {"ok", now_ms, commit, replies}
---@field ask fun(...: string|integer): any a command of Redis itself; nil when Redis refuses it
---@field pipeline fun(): weir.Pipeline
---@field subscribe fun(...: string): weir.Subscription once it has returned, no message of these channels is missed
---@field now_ms fun(): integer a clock that never goes back
---@field pause fun(ms: integer): boolean waits; true if the caller was interrupted
---@field random fun(): integer 64 random bits

---@class weir.Pipeline calls that are made before the reply of the one before has come
---@field send fun(self: weir.Pipeline, ...: (string|integer)[])
---@field receive fun(self: weir.Pipeline): table the reply of the oldest call, as `call` gives it

---@class weir.Subscription
---@field next fun(self: weir.Subscription, timeout_ms: integer?): boolean whether a message came. False: the time is
---over, or the connection was lost and messages with it
---@field close fun(self: weir.Subscription)

local current ---@type weir.Transport

---Sets the transport that all client functions use.
---@param implementation weir.Transport
function transport.use(implementation) current = implementation end

function transport.call(...) return current.call(...) end
function transport.ask(...) return current.ask(...) end
function transport.pipeline() return current.pipeline() end
function transport.subscribe(...) return current.subscribe(...) end
function transport.now_ms() return current.now_ms() end
function transport.pause(ms) return current.pause(ms) end
function transport.random() return current.random() end

return transport
