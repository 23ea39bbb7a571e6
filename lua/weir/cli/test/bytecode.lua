-- The lines of a chunk that have code, in all its functions, called or not. debug.getinfo tells only the lines of a
-- function that the caller holds, so they are read from the output of string.dump (Lua 5.4, lundump.c). The return that
-- Lua adds at the end of each function belongs to no line of the source and is left out.

local bytecode = {}

-- Lua 5.4 and its format 0; bytes that a transfer as text would change; the sizes of an instruction, an integer and a
-- number.
local HEADER = "\27Lua\x54\0\x19\x93\r\n\x1a\n\4\8\8"
local AFTER_HEADER = #HEADER + 8 + 8 + 1 + 1 -- an integer, a number, a count of upvalues

local INTEGER, FLOAT, SHORT_TEXT, LONG_TEXT = 0x03, 0x13, 0x04, 0x14
local STORED_ELSEWHERE = -128 -- a step between lines too large for its byte

-- Reads a number: groups of seven bits, the last one marked.
local function number(self)
  local value = 0
  repeat
    local byte = self.text:byte(self.at)
    self.at = self.at + 1
    value = value << 7 | byte & 0x7f
  until byte & 0x80 ~= 0
  return value
end

local function skip(self, size) self.at = self.at + size end

local function skip_text(self)
  local size = number(self) -- with one added: 0 is none
  if size > 0 then skip(self, size - 1) end
end

local function skip_constants(self)
  for _ = 1, number(self) do
    local kind = self.text:byte(self.at)
    skip(self, 1)
    if kind == INTEGER or kind == FLOAT then skip(self, 8) end
    if kind == SHORT_TEXT or kind == LONG_TEXT then skip_text(self) end
  end
end

-- The line of each instruction.
local function read_lines(self, line)
  local steps, elsewhere, lines = {}, {}, {}
  for i = 1, number(self) do
    steps[i] = string.unpack("b", self.text, self.at)
    skip(self, 1)
  end
  for _ = 1, number(self) do
    local instruction = number(self) + 1
    elsewhere[instruction] = number(self)
  end
  for i, step in ipairs(steps) do
    line = step == STORED_ELSEWHERE and elsewhere[i] or line + step
    lines[i] = line
  end
  return lines
end

local function skip_names(self)
  for _ = 1, number(self) do
    skip_text(self)
    number(self)
    number(self)
  end
  for _ = 1, number(self) do skip_text(self) end
end

local TAILCALL = 69 -- in the lowest 7 bits of an instruction

-- A return that Lua puts behind a tail call, and that never runs.
local function follows_tail_call(self, code, i)
  return i > 1 and self.text:byte(code + 4 * (i - 2)) & 0x7f == TAILCALL
end

local function read_function(self)
  skip_text(self)
  local first_line = number(self)
  number(self)
  local takes_any = self.text:byte(self.at + 1) ~= 0
  skip(self, 3)
  local size = number(self)
  local code = self.at
  skip(self, 4 * size)
  skip_constants(self)
  local upvalues = number(self)
  skip(self, 3 * upvalues)
  for _ = 1, number(self) do read_function(self) end
  local lines = read_lines(self, first_line)
  skip_names(self)
  -- the first instruction of a vararg function belongs to no line, either
  for i = takes_any and 2 or 1, #lines - 1 do
    if not follows_tail_call(self, code, i) then self.lines[lines[i]] = true end
  end
end

---@param source string
---@return table<integer, true>? lines nil when it does not compile
function bytecode.lines(source)
  local chunk = load(source, "=", "t")
  if not chunk then return nil end
  local self = { text = string.dump(chunk), at = AFTER_HEADER, lines = {} }
  assert(self.text:sub(1, #HEADER) == HEADER, "coverage does not know the bytecode of this Lua")
  read_function(self)
  return self.lines
end

return bytecode
