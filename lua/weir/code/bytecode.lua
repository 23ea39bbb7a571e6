-- The functions of a chunk as Lua compiled them. debug.getinfo tells only of functions that the caller holds, so they
-- are read from the output of string.dump (Lua 5.4, lundump.c).

local bytecode = {}

---@class weir.Prototype a function of a chunk
---@field first_line integer
---@field is_vararg boolean
---@field code integer[] instructions: see `bytecode.OPCODE`
---@field constants any[] texts; other constants are false
---@field upvalues { in_stack: boolean, index: integer, name: string? }[] `in_stack`: `index` is a register of the
---function around this one, else one of its upvalues
---@field functions weir.Prototype[] defined in it
---@field lines integer[] of each instruction

-- Lua 5.4 and its format 0; bytes that a transfer as text would change; the sizes of an instruction, an integer and a
-- number.
local HEADER = "\27Lua\x54\0\x19\x93\r\n\x1a\n\4\8\8"
local AFTER_HEADER = #HEADER + 8 + 8 + 1 + 1 -- an integer, a number, a count of upvalues

local INTEGER, FLOAT, SHORT_TEXT, LONG_TEXT = 0x03, 0x13, 0x04, 0x14
local STORED_ELSEWHERE = -128 -- a step between lines too large for its byte

bytecode.OPCODE = { MOVE = 0, LOADK = 3, GETUPVAL = 9, SETUPVAL = 10, SETFIELD = 18, TAILCALL = 69, CLOSURE = 79 }

---@param instruction integer
---@return integer opcode
---@return integer a
---@return integer b
---@return integer c
---@return boolean k whether c is a constant
---@return integer bx b and c as one number
function bytecode.decode(instruction)
  return instruction & 0x7f, instruction >> 7 & 0xff, instruction >> 16 & 0xff, instruction >> 24 & 0xff,
    instruction >> 15 & 1 == 1, instruction >> 15
end

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

local function byte(self)
  self.at = self.at + 1
  return self.text:byte(self.at - 1)
end

local function text(self)
  local size = number(self) -- with one added: 0 is none
  if size == 0 then return nil end
  self.at = self.at + size - 1
  return self.text:sub(self.at - size + 1, self.at - 1)
end

local function read_code(self)
  local code = {}
  for i = 1, number(self) do code[i], self.at = string.unpack("<I4", self.text, self.at) end
  return code
end

local function read_constants(self)
  local constants = {}
  for i = 1, number(self) do
    local kind = byte(self)
    constants[i] = false
    if kind == INTEGER or kind == FLOAT then self.at = self.at + 8 end
    if kind == SHORT_TEXT or kind == LONG_TEXT then constants[i] = text(self) end
  end
  return constants
end

local function read_upvalues(self)
  local upvalues = {}
  for i = 1, number(self) do
    upvalues[i] = { in_stack = byte(self) ~= 0, index = byte(self) }
    byte(self)
  end
  return upvalues
end

-- The line of each instruction.
local function read_lines(self, line)
  local steps, elsewhere, lines = {}, {}, {}
  for i = 1, number(self) do
    steps[i] = string.unpack("b", self.text, self.at)
    self.at = self.at + 1
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

local function read_names(self, upvalues)
  for _ = 1, number(self) do
    text(self)
    number(self)
    number(self)
  end
  for i = 1, number(self) do upvalues[i].name = text(self) end
end

local function read_function(self)
  text(self)
  local prototype = { first_line = number(self), functions = {} }
  number(self)
  byte(self)
  prototype.is_vararg = byte(self) ~= 0
  byte(self)
  prototype.code, prototype.constants, prototype.upvalues = read_code(self), read_constants(self), read_upvalues(self)
  for i = 1, number(self) do prototype.functions[i] = read_function(self) end
  prototype.lines = read_lines(self, prototype.first_line)
  read_names(self, prototype.upvalues)
  return prototype
end

---@param source string
---@return weir.Prototype? main nil when it does not compile
function bytecode.read(source)
  local chunk = load(source, "=", "t")
  if not chunk then return nil end
  local self = { text = string.dump(chunk), at = AFTER_HEADER }
  assert(self.text:sub(1, #HEADER) == HEADER, "weir does not know the bytecode of this Lua")
  return read_function(self)
end

-- A return that Lua puts behind a tail call, and that never runs.
local function follows_tail_call(code, i)
  return i > 1 and bytecode.decode(code[i - 1]) == bytecode.OPCODE.TAILCALL
end

local function add_lines(prototype, lines)
  -- the first instruction of a vararg function belongs to no line, nor does the return that Lua adds at the end
  for i = prototype.is_vararg and 2 or 1, #prototype.lines - 1 do
    if not follows_tail_call(prototype.code, i) then lines[prototype.lines[i]] = true end
  end
  for _, inner in ipairs(prototype.functions) do add_lines(inner, lines) end
end

---The lines that have code, in all functions, called or not.
---@param source string
---@return table<integer, true>? lines nil when it does not compile
function bytecode.lines(source)
  local main, lines = bytecode.read(source), {}
  if not main then return nil end
  add_lines(main, lines)
  return lines
end

return bytecode
