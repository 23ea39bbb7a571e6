-- Plays one list of cases in memory and on a host with a real Redis, and compares their whole results. Intended
-- differences are listed in lua/weir/testing/README.md:
--
--   memory starts a run whose data the schema refuses, and it fails    for an unknown child, memory advises a mock
--   non-deterministic code fails the spec, not the run                 memory has no queues
--   memory has no limits: a step's timeout, cpu_limit, memory_limit, and crash_loop except by crashes
--
-- The first is a case that `differs`; an account leaves out the second; no case can show the others.

local account = require "tests.conformance.account"
local cases = require "tests.conformance.cases"
local on_host = require "tests.conformance.host"
local in_memory = require "tests.conformance.memory"

local LIMITS = { payload_bytes = 65536, depth = 8 }

local MODES = {
  { name = "in memory" },
  { name = "in memory, each child a run of its own", inlined = false },
  { name = "in memory, replayed at each suspension", always_replay = true },
  { name = "in memory, replayed, each child a run of its own", always_replay = true, inlined = false },
  { name = "in memory, as authors have it", always_replay = true, separate = true },
}

describe("in memory as on a host,", function()
  local accounts, faults

  lazy_setup(function() accounts, faults = on_host(cases, LIMITS) end)

  for _, case in ipairs(cases) do
    it(case.name, function()
      local there = accounts[case]
      if type(there) == "string" then error("on the host: " .. there, 0) end
      local fault = account.missed(case, there)
      if fault then error("on the host, " .. fault, 0) end
      for _, mode in ipairs(MODES) do
        local here = in_memory(case, LIMITS, mode, case.seeds)
        fault = case.differs and account.undecided(case, here, there)
          or not case.differs and account.difference(mode.name, here, "on the host", there)
        if fault then error(fault, 0) end
      end
    end)
  end

  it("nothing is left in disorder", function() assert.same({}, faults) end)
end)
