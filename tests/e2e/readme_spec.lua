-- The manuals, held to their claims: every console block is typed and answers as it stands, every block of Lua can be
-- loaded, and every name in a manual (command, flag, verb, option, default, code, file, function) exists. Tables that
-- list everything of a kind list everything.
--
-- Times, dates, made-up ids and hashes count as equal, as do spaces; "…" stands for anything.

local definition = require "weir.define.definition"
local failure = require "weir.base.failure"
local manual = require "tests.support.manual"
local retry_policy = require "weir.define.retry_policy"
local support = require "tests.support"
local testing = require "weir.testing"
local weir = require "weir"

local README = manual.read "README.md"
local AUTHORS = manual.read "workflows/README.md"
local COMMANDS = manual.read "lua/weir/cli/README.md"
local OPERATIONS = manual.read "host/README.md"
local TESTING = manual.read "lua/weir/testing/README.md"
local ARCHITECTURE = manual.read "lua/weir/README.md"
local MANUALS = {
  README, AUTHORS, COMMANDS, OPERATIONS, TESTING, ARCHITECTURE, manual.read "workflows/tutorial.md",
  manual.read "workflows/recipes.md", manual.read "workflows/coming-from.md", manual.read "redis-scripts/README.md",
  manual.read "tests/README.md", manual.read "host/packaging/README.md",
}

local LARGEST_README = 9 * 1024

local helps = {} -- command, or "" -> its help, asked for once

local function help(command)
  if not helps[command] then
    local reply = support.weir("help", command ~= "" and command or nil)
    assert.equal(0, reply.status, reply.stderr)
    helps[command] = reply.stdout
  end
  return helps[command]
end

local function commands()
  local names = {}
  for name in help(""):gmatch "\n  (%l+) " do names[name] = true end
  return names
end

local function flags_of(command)
  local flags = {}
  for name in help(command):gmatch "\n  (%-%-[%l-]+)" do flags[name] = true end
  return flags
end

local function exists(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

-- The path of a link, as seen from the root of the repository.
local function target_of(path, link)
  local folder = path:match "^(.*/)[^/]*$" or ""
  local full = folder .. link
  local count
  repeat full, count = full:gsub("[^/]+/%.%./", "", 1) until count == 0
  return full
end

-- Headings as links name them.
local function anchors_of(text)
  local anchors = {}
  for heading in text:gmatch "\n#+ ([^\n]+)" do
    anchors[heading:lower():gsub("[^%w%s_-]", ""):gsub("%s", "-")] = true
  end
  return anchors
end

-- The table that stands under a caption.
local function table_under(text, caption, head)
  local _, from = text:find(caption, 1, true)
  assert(from, caption)
  return manual.names_in(manual.rows_below(text:sub(from), head))
end

-- Both are keyed by name.
local function same_names(expected, named, what)
  for name in pairs(expected) do assert.truthy(named[name], ("%s: %s is not in the table"):format(what, name)) end
  for name in pairs(named) do assert.truthy(expected[name], ("%s: there is no %s"):format(what, name)) end
end

-- The names that a message lists: "… it has a, b, c".
local function listed(message, before)
  local names = {}
  for name in message:match(before .. " (.*)$"):gmatch "[%l_]+" do names[name] = true end
  return names
end

-- How a workflow with this body fails.
local function message_of(body)
  local made = weir.workflow { id = "w", retry = { attempts = 1 }, run = body }
  return testing.new({ workflows = { made } }):run("w").error.message
end

-- The default that the table gives a name.
local function default_of(row)
  return (row:match "^| [^|]+ | ([^|]-) |":gsub("[`\"]", ""))
end

describe("a manual", function()
  for _, each in ipairs(MANUALS) do
    local commands_here = 0
    for _, block in ipairs(each.blocks) do
      if block.language == "console" then commands_here = commands_here + 1 end
    end

    if commands_here > 0 then
      it("answers every command as it says: " .. each.path, function()
        local console = manual.console()
        finally(function() console:close() end)
        for _, block in ipairs(each.blocks) do
          console:play(block, function(line, expected, output)
            if not manual.matches(expected, output) then
              assert.equal(manual.plain(expected), manual.plain(output), "$ " .. line)
            end
          end)
        end
      end)
    end

    it("has only Lua that can be loaded: " .. each.path, function()
      for _, block in ipairs(each.blocks) do
        if block.language == "lua" then assert(load(block.body, "=" .. each.path)) end
      end
    end)

    it("names only commands, flags and verbs that are there: " .. each.path, function()
      local there, taken = commands(), {}
      for name in pairs(there) do
        for flag in pairs(flags_of(name)) do taken[flag] = true end
      end
      for name in each.text:gmatch "`weir (%l+)" do assert.is_true(there[name], "weir " .. name) end
      local prose = each.text:gsub("\n```lua\n.-\n```\n", "\n")
      for flag in prose:gmatch "%-%-%l[%l-]*" do assert.is_true(taken[flag], flag) end
      local types = support.read "lua/weir/types.lua"
      for name in each.text:gmatch "ctx:(%l+)" do
        assert.truthy(types:find(("function ctx:%s("):format(name), 1, true), "ctx:" .. name)
      end
    end)

    it("links to files and headings that are there: " .. each.path, function()
      local prose = each.text:gsub("\n```.-\n```\n", "\n")
      for name, link in prose:gmatch "%[([^%]\n]+)%]%(([^)\n]+)%)" do
        local path, anchor = link:match "^([^#]*)#?(.*)$"
        local full = path == "" and each.path or target_of(each.path, path)
        assert.is_true(exists(full), ("%s: %s"):format(name, full))
        if anchor ~= "" then assert.is_true(anchors_of(support.read(full))[anchor], link) end
      end
      for path in prose:gmatch "`(%l[%w_/.-]*%.%l+)`" do
        if path:find "^tests/" or path:find "^spec/" or path:find "^host/" then assert.is_true(exists(path), path) end
      end
      for target in prose:gmatch "`make ([%l%d]+)" do
        assert.truthy(support.read "Makefile":find("\n" .. target .. ":", 1, true), target)
      end
    end)
  end
end)

describe("the README", function()
  it("is short, and names every other manual", function()
    assert.is_true(#README.text <= LARGEST_README, #README.text)
    for _, each in ipairs(MANUALS) do
      if each ~= README then assert.truthy(README.text:find("](" .. each.path .. ")", 1, true), each.path) end
    end
  end)
end)

describe("the manual of the commands", function()
  local rows = manual.rows_below(COMMANDS.text, "| command | does |")

  it("names every command, with flags that it takes", function()
    local named = {}
    for _, row in ipairs(rows) do
      for usage in row:match "^| (.-[^\\]) |":gmatch "`weir ([^`]+)`" do
        local name = usage:match "^%l+"
        local flags = flags_of(name)
        for flag in usage:gmatch "%-%-%l[%l-]*" do assert.is_true(flags[flag], usage) end
        named[name] = true
      end
    end
    same_names(commands(), named, "command")
  end)

  it("names every exit status that the sources use, and no other", function()
    local used = { ["0"] = true, ["1"] = true, ["130"] = true }
    local numbers = {
      EX_USAGE = "64", EX_DATAERR = "65", EX_NOINPUT = "66", EX_UNAVAILABLE = "69", EX_SOFTWARE = "70",
      EX_OSERR = "71", EX_IOERR = "74", EX_TEMPFAIL = "75", EX_NOPERM = "77", EX_CONFIG = "78",
      STATUS_UNSAFE = "80", STATUS_LOST_WRITES = "81",
    }
    local sources <close> = assert(io.popen "grep -rhowE 'EX_[A-Z]+|STATUS_(UNSAFE|LOST_WRITES)' host --include='*.c'")
    for name in sources:lines() do used[assert(numbers[name], name)] = true end
    for _, status in pairs(require("weir.cli.exit_status").BY_FAULT) do used[tostring(status)] = true end
    same_names(used, manual.names_in(manual.rows_below(COMMANDS.text:gsub("\n| (%d+) |", "\n| `%1` |"),
      "| status | means |")), "exit status")
  end)
end)

describe("the manual of the operator", function()
  it("names every limit and size, with its default", function()
    local serve = help "serve"
    local limits = manual.rows_below(OPERATIONS.text, "| flag | default | limits |")
    local named = {}
    local sizes = manual.rows_below(OPERATIONS.text, "| flag | default | sizes |")
    for _, row in ipairs(table.move(sizes, 1, #sizes, #limits + 1, limits)) do
      local flag, default = row:match "^| `%-%-([%l-]+)` | ([^|]+) |"
      assert.equal(default, serve:match("%-%-" .. flag:gsub("%-", "%%-") .. " [^\n]*%(default ([^)]+)%)"), flag)
      named[flag] = true
    end
    for flag in serve:gmatch "\n  %-%-(max%-%l+)" do assert.is_true(named[flag], flag) end
  end)
end)

describe("the manual of the author", function()
  local text = AUTHORS.text

  it("names every verb", function()
    local there = {}
    for name in support.read "lua/weir/types.lua":gmatch "\nfunction ctx:(%l+)" do there[name] = true end
    local engine = support.read "lua/weir/engine/context.lua"
    for name in engine:gmatch "\nfunction verbs%.(%l+)" do assert.is_true(there[name], name) end
    for name in engine:match("local verbs = (%b{})"):gmatch "(%l+) =" do assert.is_true(there[name], name) end
    for _, row in ipairs(manual.rows_below(text, "| call | meaning |")) do
      for name in row:match "^| (.-[^\\]) |":gmatch "`ctx:(%l+)" do there[name] = nil end
    end
    assert.same({}, there)
  end)

  it("names the options of each call", function()
    local invoke = table_under(text, "**`ctx:invoke{ … }`", "| option | default | meaning |")
    same_names(listed(message_of(function(ctx) ctx:invoke { zzzzzzzz = 1 } end), "it has"), invoke, "ctx:invoke")
    local step = table_under(text, "**`ctx:step{ … }`**", "| option | default | meaning |")
    same_names(listed(message_of(function(ctx) ctx:step { zzzzzzzz = 1 } end), "it has"), step, "ctx:step")
    local poll = table_under(text, "**`ctx:poll{ … }`**", "| option | default | meaning |")
    same_names(listed(message_of(function(ctx) ctx:poll { run = print, zzzzzzzz = 1 } end), "it has"), poll, "ctx:poll")
    local groups, both = table_under(text, "**`ctx:parallel{ … }`", "| option | default | meaning |"), {}
    for _, message in ipairs {
      message_of(function(ctx) ctx:parallel { branches = {}, zzzzzzzz = 1 } end),
      message_of(function(ctx) ctx:map { items = {}, run = print, zzzzzzzz = 1 } end),
    } do
      for name in pairs(listed(message, "it has")) do both[name] = true end
    end
    same_names(both, groups, "ctx:parallel and ctx:map")
  end)

  it("names the fields of workflows, nodes and retries, with their defaults", function()
    local _, message = pcall(weir.workflow, { zzzzzzzz = 1 })
    local fields = table_under(text, "**`weir.workflow{ … }`**", "| field | default | meaning |")
    same_names(listed(message, "a workflow has"), fields, "workflow")
    local made = weir.workflow { id = "x", run = print }
    local timed = weir.workflow {
      id = "y", run = print, retain = default_of(fields.retain), cancel_grace = default_of(fields.cancel_grace),
    }
    assert.is_true(definition.is(made))
    assert.same({ made.retain_ms, made.cancel_grace_ms, made.queue, tostring(made.priority) },
      { timed.retain_ms, timed.cancel_grace_ms, default_of(fields.queue), default_of(fields.priority) })

    local nodes = table_under(text, "**Fields of a node**", "| field | default | meaning |")
    _, message = pcall(weir.graph, { id = "x", nodes = { { key = "a", workflow = "x", zzzzzzzz = 1 } } })
    same_names(listed(message:match "^[^\n]*", "a node has"), nodes, "node")

    local retry = table_under(text, "**`retry = { … }`**", "| field | default | meaning |")
    local _, unknown = retry_policy.policy { zzzzzzzz = 1 }
    same_names(listed(unknown, "it has"), retry, "retry")
    local given = {
      attempts = math.tointeger(default_of(retry.attempts)), delay = default_of(retry.delay),
      backoff = default_of(retry.backoff), max_delay = default_of(retry.max_delay),
      jitter = default_of(retry.jitter) == "true",
    }
    assert.same((retry_policy.policy()), (retry_policy.policy(given)))
  end)

  it("names every error code that can be raised", function()
    local codes = manual.names_in(manual.rows_below(text, "| code | when | do |"))
    codes.error = nil
    local reserved = {}
    for code in pairs(failure.RESERVED) do reserved[code] = true end
    same_names(reserved, codes, "code")
  end)

  it("lists every example, with workflows that are in it", function()
    local examples = {}
    for _, row in ipairs(manual.rows_below(text, "| file | start with | shows |")) do
      local path, ids = row:match "^| %[[^%]]+%]%(([^)]+)%) | ([^|]+) |"
      examples["workflows/" .. path] = true
      for id in ids:gmatch "`([%w-]+)`" do
        assert.truthy(support.read("workflows/" .. path):find(('id = "%s"'):format(id), 1, true), id)
      end
    end
    local files <close> = assert(io.popen "ls workflows/*.lua")
    for path in files:lines() do assert.is_true(examples[path], path .. " is not listed") end
  end)
end)

describe("the manual of testing", function()
  it("names every option and every call of a runner", function()
    local _, message = pcall(testing.new, { zzzzzzzz = 1 })
    same_names(listed(message, "it has"),
      manual.names_in(manual.rows_below(TESTING.text, "| option | default | meaning |")), "testing.new")
    local named = {}
    for _, row in ipairs(manual.rows_below(TESTING.text, "| call | does |")) do
      for name in row:match "^| (.-) |":gmatch "runner:([%l_]+)" do named[name] = true end
    end
    local runner = testing.new { workflows = {} }
    for name in pairs(named) do assert.is_function(runner[name], name) end
    -- each public method is documented where it is made, with "---" above it
    for name in support.read "lua/weir/testing.lua":gmatch "\n%-%-%-[^\n]*\nfunction Runner:([%l_]+)" do
      assert.is_true(named[name], name)
    end
  end)
end)

describe("the manual of the architecture", function()
  it("says which folder may require which", function()
    local rules = support.read "spec/layers_spec.lua":match "local BELOW = (%b{})"
    local may, there = {}, assert(load("return " .. rules))()
    for _, row in ipairs(manual.rows_below(ARCHITECTURE.text, "| folder | requires | has |")) do
      local folder, uses = row:match "^| `(%l+)/` | ([^|]+) |"
      may[folder] = {}
      for name in uses:gmatch "`(%l+)`" do table.insert(may[folder], name) end
    end
    assert.same(there, may)
  end)

  it("follows one run through functions that are where it says", function()
    for _, row in ipairs(manual.rows_below(ARCHITECTURE.text, "| # | place | what happens there |")) do
      local cell, sources = row:match "^|[^|]+|([^|]+)|", {}
      for link in cell:gmatch "%]%(([^)]+)%)" do
        sources[#sources + 1] = assert(support.read(target_of(ARCHITECTURE.path, link)), link)
      end
      for name in cell:gmatch "`([%l_]+)`" do
        assert.truthy(table.concat(sources):find("function [%w_.:]-%f[%w_]" .. name .. "%(")
          or table.concat(sources):find("\n[%w *]+ %*?" .. name .. "%("), ("%s in %s"):format(name, cell))
      end
    end
  end)
end)
