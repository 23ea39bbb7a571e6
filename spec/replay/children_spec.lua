local journals = require "spec.support.journals"

local begin, new, outcome = journals.begin, journals.new, journals.outcome

describe("children", function()
  it("are open until their outcome is known", function()
    local made = new()
    local b, a = begin(made, "b", "invoke"), begin(made, "a", "invoke")
    made:open_child(b, "r/b")
    made:open_child(a, "r/a")
    assert.same({ a, b }, made:open_children())
    made:learn { outcome(1, "b") }
    assert.same({ a }, made:open_children())
    made:close_child(a)
    made:close_child(a)
    assert.equal(0, made.open_count)
  end)

  it("that ended before they were asked for are not opened", function()
    local made = new()
    made:learn { outcome(1, "a", "failed") }
    made:open_child(begin(made, "a", "invoke"), "r/a")
    assert.equal(0, made.open_count)
  end)

  it("are told to end in both generations that they may be", function()
    local made = new()
    local a = begin(made, "a", "invoke")
    made:open_child(a, "r/a")
    a.other_child = "r/a~2"
    made:cancel_child(a, "why")
    made:detach_child(a)
    assert.same({ "cancel", "r/a", "why", "", "cancel", "r/a~2", "why", "", "detach", "r/a", "detach", "r/a~2" },
      (made.effects:take()))
  end)
end)
