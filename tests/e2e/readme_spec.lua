-- The README, held to what it says: every console block is typed as it stands and answers as it
-- stands, and every name in it (command, flag, verb, option, code, file, function) exists.
--
-- Times, dates, made-up ids and hashes count as equal, as do spaces; "…" stands for anything.

local failure = require "weir.base.failure"
local support = require "tests.support"

local text = assert(support.read "README.md")

local function pwd()
  local listing <close> = assert(io.popen "pwd")
  return listing:read "l"
end

local here = pwd()
local build = support.build:find "^/" and support.build or here .. "/" .. support.build

-- ---- the blocks ---------------------------------------------------------------------------------

-- Each fenced block: its language, what stands in it, and the text between it and the one before.
local function blocks()
  local found, at = {}, 1
  while true do
    local from, opened, language = text:find("\n```(%w*)\n", at)
    if not from then return found end
    local closed, over = text:find("\n```\n", opened, true)
    found[#found + 1] = {
      language = language, body = text:sub(opened + 1, closed), before = text:sub(at, from),
    }
    at = over
  end
end

-- The commands of a console block, each with what it is said to answer.
local function commands_of(body)
  local commands = {}
  for line in body:gmatch "([^\n]*)\n" do
    local command = line:match "^%$ (.*)"
    if command then
      commands[#commands + 1] = { line = command, expected = "" }
    else
      commands[#commands].expected = commands[#commands].expected .. line .. "\n"
    end
  end
  return commands
end

-- What differs from one time to the next, made the same.
local function plain(output)
  local lines = {}
  for line in output:gmatch "[^\n]+" do
    line = line:gsub("%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%d", "DATE")
      :gsub("%-" .. ("[0-9a-z]"):rep(12), "-ID"):gsub("%d[%d.]*m? ?%d*[%d.]*m?s%f[%W]", "TIME")
      :gsub(("%x"):rep(16), "HASH"):gsub("[%d.]+ MiB", "SIZE"):gsub("commit %d+", "commit N")
      :gsub("%(host %d+%)", "(host N)")
      :gsub("(%d) workers?", "N workers"):gsub("redis +[%d.]+", "redis V"):gsub(" +", " "):gsub(" $", "")
    -- told only where a run takes its time, as on a machine that has much to do
    if not line:find "^ ?TIME " then lines[#lines + 1] = line end
  end
  return table.concat(lines, "\n")
end

local function matches(expected, output)
  local pattern = plain(expected):gsub("%p", "%%%0"):gsub("…", ".*")
  return plain(output):find("^" .. pattern .. "$") ~= nil
end

-- ---- what the binary says of itself -------------------------------------------------------------

local function help(command)
  local reply = support.weir("help", command)
  assert.equal(0, reply.status, reply.stderr)
  return reply.stdout
end

local function commands()
  local names = {}
  for name in support.weir("help").stdout:gmatch "\n  (%l+) " do names[name] = true end
  return names
end

local function flags_of(command)
  local flags = {}
  for name in help(command):gmatch "\n  (%-%-[%l-]+)" do flags[name] = true end
  return flags
end

-- Rows of the table below a heading row.
local function rows_below(head)
  local rows = {}
  local _, from = text:find("\n" .. head .. "\n|[-|]+\n", 1)
  assert(from, head)
  for line in text:sub(from + 1):gmatch "([^\n]*)\n" do
    if line:sub(1, 1) ~= "|" then break end
    rows[#rows + 1] = line
  end
  assert.is_true(#rows > 1)
  return rows
end

local function exists(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

describe("the README", function()
  describe("on a console", function()
    local folder, host

    local function sh(line)
      local command = ("cd '%s' && env -u WEIR_REDIS -u WEIR_ROOT PATH='%s':\"$PATH\" sh -c '%s' 2>&1")
        :format(folder, build, (line:gsub("'", "'\\''")))
      local output <close> = assert(io.popen(command))
      return output:read "a"
    end

    lazy_setup(function()
      folder = support.folder()
      assert(os.execute(("mkdir '%s/flows' && ln -s '%s/workflows' '%s'"):format(folder, here, folder)))
    end)

    lazy_teardown(function()
      if host then host:stop "TERM" end
      support.remove(folder)
    end)

    it("answers every command as it says", function()
      local typed = 0
      for _, block in ipairs(blocks()) do
        local path = block.before:match "Save this as `([%w_/.-]+)`[^`]*$"
        if block.language == "lua" and path then support.write(folder .. "/" .. path, block.body) end
        if block.language == "console" and block.before:find "`weir dev flows`" then
          if host then host:stop "TERM" end
          host = support.process { "sh", "-c", ("cd '%s' && exec '%s/weir' dev flows"):format(folder, build) }
          support.wait_until("dev to be ready", function() return host:stderr():find "weir start" end)
        end
        for _, command in ipairs(block.language == "console" and commands_of(block.body) or {}) do
          local output = sh(command.line)
          if not matches(command.expected, output) then
            assert.equal(plain(command.expected), plain(output), "$ " .. command.line)
          end
          typed = typed + 1
        end
      end
      assert.is_true(typed > 8)
    end)
  end)

  it("names every command, and none that is not there", function()
    local there, named = commands(), {}
    for name in table.concat(rows_below "| command | does |"):gmatch "`weir (%l+)" do
      assert.is_true(there[name], "weir " .. name)
      named[name] = true
    end
    for name in text:gmatch "`weir (%l+)" do assert.is_true(there[name], "weir " .. name) end
    for name in pairs(there) do assert.is_true(named[name], name .. " is not in the table") end
  end)

  it("names only flags that are there, each beside a command that takes it", function()
    local taken = {}
    for name in pairs(commands()) do
      for flag in pairs(flags_of(name)) do taken[flag] = true end
    end
    for flag in text:gmatch "%-%-%l[%l-]*" do assert.is_true(taken[flag], flag) end
    for _, row in ipairs(rows_below "| command | does |") do
      for usage in row:gmatch "`weir ([^`]+)`" do
        local flags = flags_of(usage:match "^%l+")
        for flag in usage:gmatch "%-%-%l[%l-]*" do assert.is_true(flags[flag], usage) end
      end
    end
  end)

  it("names the limits as they are", function()
    local serve, found = help "serve", 0
    for value, flag in text:gsub("\n", " "):gmatch "(%d+ ?[%a ]-)[^%d()]*%(`(%-%-max%-%l+)`%)" do
      local default = serve:match(flag:gsub("%-", "%%-") .. " [^\n]*default ([^)]+)%)")
      assert.equal(default:match "^%d+", value:match "^%d+", flag)
      found = found + 1
    end
    local _, flags = serve:gsub("\n  %-%-max%-", "")
    assert.equal(flags, found)
  end)

  it("names every verb and its options, and none that is not there", function()
    local source = support.read "lua/weir/engine/context.lua"
    local elsewhere = source:match("local verbs = (%b{})"):gsub("(%l+) = %l+%.%l+", "\nfunction verbs.%1")
    local there = {}
    for name in (source .. elsewhere):gmatch "\nfunction verbs%.(%l+)" do
      there[name] = true
      assert.truthy(text:find("`ctx:" .. name .. "[({]"), "ctx:" .. name .. " is not in the table")
    end
    for name in text:gmatch "ctx:(%l+)" do assert.is_true(there[name], "ctx:" .. name) end
    local options = {}
    for name in source:match("local INVOKE_OPTIONS.-for _, name in ipairs (%b{})"):gmatch '"([%l_]+)"' do
      options[#options + 1] = name
    end
    assert.equal(table.concat(options, ", "), text:match "`ctx:invoke{ ([%l_, ]+) }`")
    for name in support.read("lua/weir/engine/step.lua"):match("local STEP_OPTIONS = (%b{})"):gmatch "([%l_]+) =" do
      assert.truthy(text:match("`ctx:step(%b{})`"):find(name, 1, true), name)
    end
  end)

  it("names the fields of a workflow", function()
    local _, message = pcall(require("weir").workflow, { zzzzzzzz = 1 })
    local named = text:match "A workflow has ([^.]+)%."
    for field in message:match("a workflow has (.*)$"):gmatch "[%l_]+" do
      assert.truthy(named:find("`" .. field .. "`", 1, true), field)
    end
    for field in named:gmatch "`([%l_]+)`" do assert.truthy(message:find(field, 1, true), field) end
  end)

  it("names every error code that can be raised", function()
    local named = {}
    for _, row in ipairs(rows_below "| code | when |") do
      for code in row:match("^| ([^|]+) |"):gmatch "`([%l_]+)`" do
        assert.is_true(code == "error" or failure.RESERVED[code], code)
        named[code] = true
      end
    end
    named.too_many_failures = true -- of what is not there yet
    for code in pairs(failure.RESERVED) do assert.is_true(named[code], code .. " is not in the table") end
  end)

  it("links to files that are there", function()
    for name, path in text:gmatch "%[([^%]\n]+)%]%(([^)\n]+)%)" do assert.is_true(exists(path), name) end
    for path in text:gmatch "`(%l[%w_/.-]*%.%l+)`" do
      if path:find "^tests/" or path:find "^spec/" or path:find "^host/" then assert.is_true(exists(path), path) end
    end
    for target in text:gmatch "%f[%w]make (%l+)%f[^%w]" do
      if target ~= "up" then assert.truthy(support.read "Makefile":find("\n" .. target .. ":", 1, true), target) end
    end
  end)

  it("lists every example, with workflows that are in it", function()
    local listed = {}
    for _, row in ipairs(rows_below "| file | start with | shows |") do
      local path, ids = row:match "^| %[[^%]]+%]%(([^)]+)%) | ([^|]+) |"
      listed[path] = true
      for id in ids:gmatch "`([%w-]+)`" do
        assert.truthy(support.read(path):find(('id = "%s"'):format(id), 1, true), id)
      end
    end
    local files <close> = assert(io.popen "ls workflows/*.lua")
    for path in files:lines() do assert.is_true(listed[path], path .. " is not listed") end
  end)

  it("follows one run through functions that are where it says", function()
    for _, row in ipairs(rows_below "| # | place | what happens there |") do
      local cell, sources = row:match "^|[^|]+|([^|]+)|", {}
      for path in cell:gmatch "%]%(([^)]+)%)" do sources[#sources + 1] = assert(support.read(path), path) end
      for name in cell:gmatch "`([%l_]+)`" do
        assert.truthy(table.concat(sources):find("function [%w_.:]-%f[%w_]" .. name .. "%(")
          or table.concat(sources):find("\n[%w *]+ %*?" .. name .. "%("), ("%s in %s"):format(name, cell))
      end
    end
  end)
end)
