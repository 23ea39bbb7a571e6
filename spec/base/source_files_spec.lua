local source_files = require "weir.base.source_files"

describe("the files of a bundle", function()
  it("are Lua files, except specs and hidden ones", function()
    for _, path in ipairs { "a.lua", "lib/a.lua", "specs/a.lua", "a_spec/b.lua", "my.spec.lua" } do
      assert.is_true(source_files.is_source(path), path)
    end
    for _, path in ipairs {
      "a.txt", "a_spec.lua", "lib/a_spec.lua", "spec/a.lua", "lib/spec/a.lua", ".a.lua", ".git/a.lua",
    } do
      assert.is_false(source_files.is_source(path), path)
    end
  end)

  it("are no specs", function()
    assert.is_true(source_files.is_spec "lib/spec/help.lua")
    assert.is_false(source_files.is_spec "lib/help.lua")
  end)
end)
