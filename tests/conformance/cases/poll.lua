-- ctx:poll: how often it asks, the state between its calls, and how it ends.

return {
  { "a condition that holds at the third call",
    run = [[ return ctx:poll { id = "p", every = "2ms", initial = { calls = 0 }, run = function(state, about)
        state.calls = state.calls + 1
        return about.attempt == 3, state
      end } ]],
    result = { calls = 3 }, expect = { ["r [p]"] = { state = "completed", attempts = 3, kind = "poll" } } },
  { "every may be a function of the call and its state",
    run = [[ return ctx:poll { run = function(state) return state == 2, (state or 0) + 1 end,
        every = function(attempt, state) return (attempt + state) / 1000 end } ]],
    result = 3, expect = { ["r [poll#1]"] = { attempts = 3 } } },
  { "a poll that times out", fields = "retry = { attempts = 1 },",
    run = [[ ctx:poll { id = "p", every = "1d", timeout = "400ms",
      run = function(_, about) return false, about.attempt end } ]],
    fails = "timeout", expect = { ["r [p]"] = { state = "failed", attempts = 1 }, r = { error = '~"state":1' } } },
  { "a call that keeps failing is the failure of the poll",
    run = [[ ctx:poll { id = "p", retry = { attempts = 2, delay = "1ms" }, run = function() error("never", 0) end } ]],
    fails = "error", expect = { ["r [p]"] = { state = "failed" }, r = { attempt = 1 } } },
  { "polls beside each other, in map and in race",
    run = [[
      local list = ctx:map { id = "m", items = { 1, 2 }, concurrency = 1, run = function(own, item)
        return own:poll { id = "p", every = "1ms",
          run = function(_, about) return about.attempt > item, about.attempt end }
      end }
      local value, key = ctx:race {
        never = function(never) return never:poll { every = "1d", run = function() return false end } end,
        soon = function(soon) return soon:poll { every = "400ms", run = function(state) return state == 1, 1 end } end,
      }
      return { list, value, key } ]],
    unordered = true, result = { { 2, 3 }, 1, "soon" } },
  { "a poll after a cancel",
    run = [[
      local _, err = pcall(ctx.sleep, ctx, { id = "long", duration = "1d" })
      ctx:poll { id = "p", every = "1ms", run = function(_, about) return about.attempt == 2, about.attempt end }
      error(err, 0) ]],
    play = { { "start", "r" }, { "waits", "r", "long" }, { "cancel", "r" }, { "ends", "r" } },
    cancelled = true, expect = { ["r [p]"] = { state = "completed", result = "2" } } },
  { "a poll goes on after a crash, with its state",
    run = [[ return ctx:poll { id = "p", every = "400ms", initial = 0, run = function(state)
        return state == 2, state + 1
      end } ]],
    play = { { "start", "r" }, { "waits", "r", "p" }, { "crash" }, { "ends", "r" } }, result = 3 },
  { "state that is too large, or no JSON",
    run = [[
      local _, large = pcall(ctx.poll, ctx, { run = function() return false, ("x"):rep(65535) end })
      local _, wrong = pcall(ctx.poll, ctx, { run = function() return false, print end })
      return { large.code, wrong.code } ]],
    result = { "payload_too_large", "payload_invalid" } },
}
