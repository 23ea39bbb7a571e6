local keys = require "weir.cli.top.keys"

describe("the keys of a terminal", function()
  it("have names", function()
    assert.same({ "up", "down", "left", "right" }, keys.of "\27[A\27OB\27[D\27OC")
    assert.same({ "page up", "page down", "home", "end", "home", "back tab" },
      keys.of "\27[5~\27[6~\27[H\27[4~\27[1~\27[Z")
    assert.same({ "enter", "tab", "backspace", "ctrl-c", "ctrl-z", "ctrl-l" }, keys.of "\r\t\127\3\26\12")
    assert.same({ "q", "?", "/", " ", "é", "日" }, keys.of "q?/ é日")
  end)

  it("are the same with a modifier", function()
    assert.same({ "up", "page down" }, keys.of "\27[1;5A\27[6;2~")
  end)

  it("are an escape alone, or before another key", function()
    assert.same({ "escape" }, keys.of "\27")
    assert.same({ "escape", "q" }, keys.of "\27q")
  end)

  it("pass over what is none", function()
    assert.same({ "a", "b" }, keys.of "a\27[99~\1\xFF\xC3b")
    assert.same({}, keys.of "\27[200~")
  end)
end)
