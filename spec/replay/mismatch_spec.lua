local mismatch = require "weir.replay.mismatch"

describe("a replay mismatch", function()
  local old, new = { line = "w.lua:3", bundle = "1b7e0000aa" }, { line = "w.lua:5", bundle = "9f2c0000bb" }

  it("shows a place with the beginning of its bundle", function()
    assert.equal("w.lua:3 (bundle 1b7e0000)", mismatch.at(old))
    assert.equal("w.lua:3", mismatch.at { line = "w.lua:3" })
  end)

  it("keeps both places as details", function()
    assert.same({ was = old, now = new }, mismatch.failure("r", "a", "facts", old, new, true).details)
    assert.same({ was = old }, mismatch.failure("r", "a", "facts", old, nil, false).details)
  end)

  it("says which changes are safe and how the run goes on", function()
    local changed = mismatch.failure("r", "a", "facts", old, new, true)
    assert.same({ "replay_mismatch", "a", false }, { changed.code, changed.operation, changed.retryable })
    assert.matches("^facts; safe are changes that keep the recorded operations", changed.message)
    assert.matches("give the new one another, then weir retry r; or do it again: weir retry r %-%-from a$",
      changed.message)
    assert.matches("ask for it again where it was, then weir retry r;",
      mismatch.failure("r", "a", "facts", old, nil, false).message)
  end)

  it("blames the code, where it did not change", function()
    assert.matches("^facts; the same code took another way,",
      mismatch.failure("r", "a", "facts", old, { line = "w.lua:9", bundle = old.bundle }, false).message)
  end)
end)
