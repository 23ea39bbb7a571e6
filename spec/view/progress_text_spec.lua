local progress_text = require "weir.view.progress_text"

describe("the progress of a run", function()
  it("is what it said, in words", function()
    local cases = {
      { nil, nil }, { {}, nil }, { { done = 3 }, "3" }, { { done = 3, total = 10 }, "3 of 10 (30%)" },
      { { done = 1200, total = 5000, text = "pages" }, "1,200 of 5,000 (24%): pages" },
      { { done = 0.5, total = 2.5 }, "0.5 of 2.5 (20%)" }, { { done = 7, total = 5 }, "7 of 5 (100%)" },
      { { done = 0, total = 0 }, "0 of 0" }, { { status = "calling" }, "calling" },
      { { status = "calling", done = 1, total = 2 }, "calling; 1 of 2 (50%)" },
    }
    for _, case in ipairs(cases) do assert.equal(case[2], progress_text.line(case[1])) end
  end)

  it("counts branches", function()
    assert.equal("212 of 5,000, 3 failed", progress_text.group { done = 212, failed = 3, total = 5000 })
    assert.equal("0 of 2", progress_text.group { done = 0, failed = 0, total = 2 })
    assert.equal("12 so far", progress_text.group { done = 12, failed = 0 })
  end)
end)
