local terminal = require "weir.view.terminal"

describe("terminal.plain", function()
  it("leaves text as it is", function()
    for _, text in ipairs { "", "order-17", "Grüße, 世界 🎉", "a  b" } do
      assert.equal(text, terminal.plain(text))
    end
  end)

  it("looks at each blank once", function() -- a MiB of them would take hours otherwise
    local blanks = (" "):rep(1024 * 1024)
    assert.equal("{" .. blanks .. "}", terminal.plain("{" .. blanks .. "}"))
    assert.equal("{ }", terminal.plain("{" .. blanks .. "\n" .. blanks .. "}"))
    assert.equal("a b c  d", terminal.plain "a\rb\nc\t d")
  end)

  it("makes one line of several", function()
    assert.equal("a b c", terminal.plain("a\nb\r\n  c"))
    assert.equal("a b", terminal.plain("a\tb"))
  end)

  it("lets nothing move the cursor or turn the text", function()
    local replaced = "\u{FFFD}"
    assert.equal("a" .. replaced .. "[2Jb", terminal.plain("a\27[2Jb"))
    assert.equal("a" .. replaced .. "b", terminal.plain("a\u{9B}b"))
    assert.equal("a" .. replaced .. "b", terminal.plain("a\u{202E}b"))
    assert.equal("a" .. replaced, terminal.plain("a\127"))
  end)

  it("replaces bytes that are no UTF-8", function()
    assert.equal("a\u{FFFD}b", terminal.plain("a\xFFb"))
    assert.equal("\u{FFFD}\u{FFFD}", terminal.plain("\xE4\xB8"))
    assert.equal("é\u{FFFD}é", terminal.plain("é\xC3é"))
  end)
end)

describe("terminal.escaped", function()
  it("writes what a terminal would obey as JSON may write it", function()
    assert.equal('{"a":"\\u009b31m\\u007f\\u202e\\u2066"}', terminal.escaped '{"a":"\u{9B}31m\x7F\u{202E}\u{2066}"}')
    for _, text in ipairs { '{"a":"é\u{A0}…€\u{2065}\u{206A}"}', "\27[31mred\27[0m\n\tb", "" } do
      assert.equal(text, terminal.escaped(text))
    end
  end)
end)

describe("terminal.width", function()
  it("counts columns, not bytes", function()
    assert.equal(0, terminal.width "")
    assert.equal(5, terminal.width "Größe")
    assert.equal(4, terminal.width "世界")
    assert.equal(2, terminal.width "🎉")
    assert.equal(1, terminal.width "e\u{301}")
    assert.equal(4, terminal.width "└─ ✓")
  end)
end)

describe("terminal.clip", function()
  it("tells that something was cut", function()
    assert.equal("order-17", terminal.clip("order-17", 8))
    assert.equal("order-…", terminal.clip("order-17", 7))
    assert.equal("…", terminal.clip("order-17", 1))
    assert.equal("", terminal.clip("order-17", 0))
  end)

  it("never cuts a character in two, nor takes more than it may", function()
    for columns = 0, 12 do
      local clipped = terminal.clip("a世界é世e\u{301}界", columns)
      assert.truthy(utf8.len(clipped))
      assert.is_true(terminal.width(clipped) <= columns)
    end
  end)
end)

describe("terminal.pad", function()
  it("fills up on either side", function()
    assert.equal("é   ", terminal.pad("é", 4))
    assert.equal("   é", terminal.pad("é", 4, true))
    assert.equal("order", terminal.pad("order", 4))
  end)
end)

describe("terminal.span", function()
  it("shows as much as matters", function()
    for ms, text in pairs {
      [-5] = "0ms", [0] = "0ms", [999] = "999ms", [1000] = "1.00s", [1239] = "1.24s", [9994] = "9.99s",
      [9995] = "10.0s", [12345] = "12.3s", [59949] = "59.9s", [59950] = "1m", [60000] = "1m",
      [125000] = "2m 5s", [3 * 3600000 + 12 * 60000] = "3h 12m", [86400000] = "1d",
    } do
      assert.equal(text, terminal.span(ms))
    end
  end)
end)

describe("terminal.count and terminal.size", function()
  it("go with their nouns", function()
    assert.equal("0 runs", terminal.count(0, "run"))
    assert.equal("1 run", terminal.count(1, "run"))
    assert.equal("999 runs", terminal.count(999, "run"))
    assert.equal("12,345,678 runs", terminal.count(12345678, "run"))
    assert.equal("100 bytes", terminal.size(100))
    assert.equal("1.5 KiB", terminal.size(1536))
    assert.equal("16.0 MiB", terminal.size(16 * 1024 * 1024))
  end)
end)

describe("terminal.paint", function()
  it("paints only where there are colours", function()
    assert.equal("\27[31mx\27[0m", terminal.paint({ colours = true }, "red", "x"))
    assert.equal("x", terminal.paint({ colours = false }, "red", "x"))
    assert.equal("x", terminal.paint({ colours = true }, nil, "x"))
    assert.equal("", terminal.paint({ colours = true }, "red", ""))
  end)
end)

describe("terminal.columns", function()
  local function lines(rows, columns, ...)
    local texts = {}
    for i, row in ipairs(terminal.columns(rows, columns, ...)) do texts[i] = table.concat(row, "  ") end
    return texts
  end

  it("sets cells below each other", function()
    assert.same({ "a    bb  c", "aaa  b   cccc" }, lines({ { "a", "bb", "c" }, { "aaa", "b", "cccc" } }, 80, 1))
  end)

  it("lets one column give way", function()
    local rows = { { "completed", ("x"):rep(40), "3s" } }
    assert.same({ "completed  " .. ("x"):rep(14) .. "…  3s" }, lines(rows, 30, 2))
  end)

  it("leaves columns out where that is not enough, and empty ones", function()
    local rows = { { "completed", ("x"):rep(40), "", "3s ago", "9ms" } }
    assert.same({ "completed  " .. ("x"):rep(7) .. "…  3s ago  9ms" }, lines(rows, 32, 2, { 5, 4 }))
    assert.same({ "completed  " .. ("x"):rep(11) .. "…  3s ago" }, lines(rows, 31, 2, { 5, 4 }))
    assert.same({ "completed  " .. ("x"):rep(13) .. "…" }, lines(rows, 25, 2, { 5, 4 }))
    assert.same({ "completed  " .. ("x"):rep(7) .. "…" }, lines(rows, 10, 2, { 5, 4 }))
    assert.same({ "completed  " .. ("x"):rep(40) }, lines(rows, 55, 2, { 5, 4 }, 40))
    assert.same({ "completed  " .. ("x"):rep(35) .. "…  3s ago" }, lines(rows, 55, 2, { 5, 4 }, 36))
  end)

  it("draws how much is done", function()
    assert.equal("[----]", terminal.bar(0, 6))
    assert.equal("[##--]", terminal.bar(0.5, 6))
    assert.equal("[####]", terminal.bar(7, 6))
  end)

  it("cuts text in colours to columns, and keeps the colours", function()
    assert.equal("\27[1mab\27[0mcd", terminal.clip_painted("\27[1mab\27[0mcd", 4))
    assert.equal("\27[1mab\27[0m…", terminal.clip_painted("\27[1mab\27[0mcd", 3))
    assert.equal("a\27[32m…\27[0m", terminal.clip_painted("a\27[32m日本\27[0mx", 2))
    assert.equal("abc", terminal.clip_painted("abc", 3))
  end)
end)
