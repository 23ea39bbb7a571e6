local entry = require "weir.record.entry"

describe("an entry", function()
  it("is read as it was written, once the store has put number and time in front", function()
    local text = entry.write("invoke", 3, 2, "order.lua:11", "charge", '{"timeout_ms":5}')
    assert.same({
      number = 7, started_at = 1790000000000, kind = "invoke", after = 3, attempt = 2,
      line = "order.lua:11", subject = "charge", arguments = '{"timeout_ms":5}',
    }, entry.read("7\t1790000000000\t" .. text))
  end)

  it("has no number while its operation runs, and may have no subject and no arguments", function()
    local read = entry.read("\t1790000000000\t" .. entry.write("step", 0, 1, "a.lua:1", "", ""))
    assert.is_nil(read.number)
    assert.same({ "step", "", "" }, { read.kind, read.subject, read.arguments })
  end)

  it("keeps tabs and line ends in its arguments", function()
    local text = entry.write("step", 0, 1, "a.lua:1", "", "a\tb\nc")
    assert.equal("a\tb\nc", entry.read("\t1\t" .. text).arguments)
  end)
end)

describe("a stored entry", function()
  it("tells its number and where it began without being read whole", function()
    local text = entry.write("invoke", 3, 2, "order.lua:11", "charge", "{}", "4")
    assert.equal("7", entry.number(entry.stored(text, 1790000000000, 7)))
    assert.is_nil(entry.number(entry.stored(text, 1790000000000)))
    assert.same({ 3, 2 }, { entry.place(entry.stored(text, 1790000000000, 7)) })
    assert.same({ 3, 2 }, { entry.place(entry.stored(text, 1790000000000)) })
    assert.is_nil((entry.place ""))
  end)
end)

describe("an outcome", function()
  it("is read as it was written", function()
    assert.same({
      number = 4, operation = "ship", state = "failed", finished_at = 9, attempts = 2, value = "{}", generation = 3,
    }, entry.read_outcome(4, entry.write_outcome("ship", "failed", 9, 2, "{}", 3)))
    assert.same({
      number = 4, operation = "ship", state = "completed", finished_at = 9, attempts = 1, value = "1", run = "other",
    }, entry.read_outcome(4, entry.write_outcome("ship", "completed", 9, 1, "1", nil, "other")))
    assert.same({ number = 5, operation = "", state = "expired", finished_at = 9, attempts = 0, value = "late" },
      entry.read_outcome(5, entry.write_end("expired", 9, "late")))
  end)

  it("is read whole, tabs and line ends of its value included", function()
    assert.same({
      number = 12, operation = "ship:label", state = "completed", finished_at = 1790000000001,
      attempts = 2, value = '"a\tb\nc"',
    }, entry.read_outcome(12, 'ship:label\tcompleted\t1790000000001\t2\t"a\tb\nc"'))
  end)

  it("of the run itself has no operation", function()
    local read = entry.read_outcome(3, "\tcancelled\t1790000000000\t0\tcancelled by hand")
    assert.same({ "", "cancelled", "cancelled by hand" }, { read.operation, read.state, read.value })
  end)
end)
