local strings = require "weir.base.strings"

local MIB = 1024 * 1024

describe("strings", function()
  it("trims both ends, or the end", function()
    for given, trimmed in pairs {
      [""] = "", [" "] = "", ["\n\t "] = "", a = "a", [" a "] = "a", ["a b\r\n"] = "a b", ["\r\n{}\n"] = "{}",
    } do
      assert.equal(trimmed, strings.trim(given))
    end
    assert.equal(" a", strings.trim_end " a \n")
    assert.equal("", strings.trim_end " ")
  end)

  it("trims what is large in one pass", function() -- more than one would take hours
    local blanks = (" "):rep(MIB)
    assert.equal("", strings.trim(blanks))
    assert.equal("", strings.trim_end(blanks))
    assert.equal("x" .. blanks .. "y", strings.trim(blanks .. "x" .. blanks .. "y" .. blanks))
    assert.equal("x" .. blanks .. "y", strings.trim_end("x" .. blanks .. "y" .. blanks))
  end)

  it("cuts between characters", function()
    assert.equal("äb", strings.first("äb", 3))
    assert.equal("ä", strings.first("äb", 2))
    assert.equal("", strings.first("äb", 1))
    assert.equal("a", strings.first("a\u{1F389}", 4))
    assert.equal("a\u{1F389}", strings.first("a\u{1F389}", 5))
    assert.equal("\x80\x80", strings.first(("\x80"):rep(9), 2))
    assert.equal("abc", strings.short("abc", 3))
    assert.equal("ab…", strings.short("abc", 2))
    assert.equal("abc", strings.cut("abc", 3))
    assert.equal("ab… (cut: 3 bytes in all)", strings.cut("abc", 2))
  end)

  it("replaces bytes that are no UTF-8", function()
    assert.equal("aäb", strings.readable "aäb")
    assert.equal("a\u{FFFD}\u{FFFD}b", strings.readable "a\xff\xfeb")
    assert.equal("\u{FFFD}", strings.readable "\xc3")
  end)
end)
