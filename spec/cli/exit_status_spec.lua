local clients = require "spec.support.clients"

describe("the exit status", function()
  local exit_status, fault, native

  before_each(function()
    native = {}
    clients.load(native)
    exit_status, fault = require "weir.cli.exit_status", require "weir.client.fault"
  end)

  after_each(clients.unload)

  local function raised_by(run, ...)
    local ok, raised = pcall(run, ...)
    assert.is_false(ok)
    return raised
  end

  it("of a fault of a client function follows from its name", function()
    local raised = raised_by(fault.raise_with, "not_found", { run = "r" }, 'there is no run "%s"', "r")
    assert.same({ 66, 'there is no run "r"', true },
      { exit_status.of(raised), exit_status.sentence(raised), exit_status.is_fault(raised) })
  end)

  it("of a fault of C is the one that it carries, and the client functions see its name", function()
    function native.call() error({ status = 69, message = "Redis cannot be reached" }, 0) end
    local raised = raised_by(require("weir.client.redis").call, { "hosts" })
    assert.same({ "unreachable", 69, "Redis cannot be reached" },
      { raised.fault, exit_status.of(raised), exit_status.sentence(raised) })
    assert.equal(66, exit_status.of { status = 66, message = "cannot read f" })
  end)

  it("of any other error is that of a fault of weir itself", function()
    for _, raised in ipairs { "a message", { code = "payload_invalid", message = "no" }, 5 } do
      assert.same({ 70, false }, { exit_status.of(raised), exit_status.is_fault(raised) })
    end
  end)

  it("comes with a sentence that names the option as the command line spells it", function()
    assert.equal("--since must be an instant", exit_status.sentence(raised_by(fault.option, "since",
      "must be %s", "an instant")))
    assert.equal("invalid_data: n is missing", exit_status.sentence(raised_by(fault.raise, "invalid_data",
      "n is missing")))
  end)
end)
