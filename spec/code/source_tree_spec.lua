-- Folders of workflows, as weir.testing reads them.

local source_tree = require "weir.code.source_tree"

describe("a folder", function()
  local root

  local function write(path)
    local file <close> = assert(io.open(root .. "/" .. path, "wb"))
    file:write("-- " .. path)
  end

  before_each(function()
    root = os.tmpname()
    os.remove(root)
    assert(os.execute(("mkdir -p '%s/shared' '%s/spec' '%s/.hidden'"):format(root, root, root)))
    for _, path in ipairs {
      "a.lua", "shared/b.lua", "a_spec.lua", "spec/c.lua", ".hidden/d.lua", ".e.lua", "notes.txt",
    } do write(path) end
  end)

  after_each(function() os.execute(("rm -r '%s'"):format(root)) end)

  it("gives its workflow files, below it too, without specs and what is hidden", function()
    assert.same({ ["a.lua"] = "-- a.lua", ["shared/b.lua"] = "-- shared/b.lua" }, source_tree.read(root))
  end)

  it("is read alike where there is no lfs", function()
    local loaded, preload = package.loaded.lfs, package.preload.lfs
    package.loaded.lfs, package.loaded["weir.code.source_tree"] = nil, nil
    package.preload.lfs = function() error "none" end
    local without = require "weir.code.source_tree"
    package.loaded.lfs, package.preload.lfs, package.loaded["weir.code.source_tree"] = loaded, preload, source_tree
    assert.same(source_tree.read(root), without.read(root))
    assert.is_nil(without.read(root .. "/nowhere"))
  end)

  it("that has none says so", function()
    local files, fault = source_tree.read(root .. "/nowhere")
    assert.is_nil(files)
    assert.matches("there is no folder .*/nowhere; name the one that has the workflow files", fault)
    assert(os.execute(("mkdir '%s/empty'"):format(root)))
    files, fault = source_tree.read(root .. "/empty")
    assert.is_nil(files)
    assert.equal(("there are no workflow files in %s/empty: nothing there ends in .lua"):format(root), fault)
  end)
end)
