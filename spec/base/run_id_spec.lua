local run_id = require "weir.base.run_id"

describe("a run id", function()
  it("names its parent, its root and the operation that it is", function()
    local id = "order-17/ship/label:a~3"
    assert.same({ "order-17/ship", "order-17", 2, "label:a", 3, false },
      { run_id.parent(id), run_id.root(id), run_id.depth(id), run_id.operation(id), run_id.generation(id),
        run_id.is_root(id) })
    assert.is_true(run_id.is_child_of(id, "order-17/ship"))
    assert.is_false(run_id.is_child_of(id, "order-17"))
  end)

  it("of a root has no parent", function()
    assert.is_nil(run_id.parent "order-17")
    assert.is_nil(run_id.generation "order-17")
    assert.same({ "order-17", 0, "order-17", true },
      { run_id.root "order-17", run_id.depth "order-17", run_id.operation "order-17", run_id.is_root "order-17" })
  end)

  it("tells a generation from the second on", function()
    assert.equal("a/b", run_id.child("a", "b"))
    assert.equal("a/b", run_id.child("a", "b", 1))
    assert.equal("a/b", run_id.child("a", "b", "1"))
    assert.equal("a~2/b~3", run_id.child("a~2", "b", 3))
    assert.equal("b", run_id.operation "a~2/b")
    assert.is_nil(run_id.generation "a~2/b")
    assert.equal("a~2/b~4", run_id.in_generation("a~2/b~3", "4"))
    assert.equal("a~2/b", run_id.in_generation("a~2/b~3", 1))
  end)
end)
