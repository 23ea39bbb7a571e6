-- Loads the cases of cases/, and gives each an id and a source file, which are the same on both sides. A case is
--
--   { "a sentence", run = [[ body of run(ctx, data) of workflow `id` ]] | code = [[ a whole file ]],
--     fields = "retry = { … },"  of that workflow, child = [[ body of run of workflow `id .. "-child"` ]], child_fields
--     play = { { act, "r", … }, … }  see play.lua; default: starts r and waits for its end,
--     unordered = true  its outcomes come in any order: their numbers are not compared, nor is what `loose` lists,
--     result = …, fails = "code", cancelled = true, expect = { ["r/child"] = { … } }  what both sides must show,
--     differs = { r = { … } }  what only memory shows, by design: see the list in conformance_spec.lua }
--
-- Its code can use the variables `weir` and `id`. The ids of its workflows are `id` or begin with it. A play and an
-- account call the runs r, r/child, r.other; their ids are `<id>`, `<id>/child`, `<id>.other`.

local FOLDER = "tests/conformance/cases/"

local PROLOGUE = 'local weir, id = require "weir", %q '
local WORKFLOW = "weir.workflow { id = id%s, %s run = function(ctx, data)\n%s\nend },\n"

local cases = {}

---The source file of a case, or of the code that it deploys later.
---@param case table
---@param code { run: string?, code: string?, fields: string?, child: string?, child_fields: string? }
---@return string
function cases.source(case, code)
  local text = code.code
  if not text then
    local child = code.child and WORKFLOW:format(' .. "-child"', code.child_fields or "", code.child) or ""
    text = ("return { %s%s}\n"):format(WORKFLOW:format("", code.fields or "", code.run), child)
  end
  return PROLOGUE:format(case.id) .. text
end

local function add_all(subject)
  for i, case in ipairs(dofile(FOLDER .. subject .. ".lua")) do
    case.id = ("%s-%02d"):format(subject, i)
    case.name = subject .. ": " .. case[1]
    case.file = case.id .. ".lua"
    case.source = cases.source(case, case)
    case.play = case.play or { { "start", "r" }, { "ends", "r" } }
    for _, act in ipairs(case.play) do
      if act[1] == "deploy" then case.later = cases.source(case, act) end
      case.alone = case.alone or act[1] == "crash" or act[1] == "release"
    end
    cases[#cases + 1] = case
  end
end

local listing <close> = assert(io.popen("LC_ALL=C ls " .. FOLDER))
for name in listing:lines() do add_all(name:match "^(.*)%.lua$") end

return cases
