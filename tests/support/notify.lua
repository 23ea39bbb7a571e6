-- notify: a supervisor's end of sd_notify: a socket of its own whose messages a story reads.

local support = require "tests.support"

local notify = {}

---@class NotifySocket
---@field process Process
local Socket = {}
Socket.__index = Socket

local LISTEN = [[
  use Socket;
  my $name = $ARGV[0];
  $name =~ s/^@/\0/;
  socket(my $socket, PF_UNIX, SOCK_DGRAM, 0) or die;
  bind($socket, pack_sockaddr_un($name)) or die;
  $| = 1;
  print "listening\n";
  my $message;
  print "[$message]\n" while defined recv($socket, $message, 8192, 0);
]]

---@param name string a path, or "@" and a name in the abstract namespace
---@return NotifySocket
function notify.listen(name)
  local process = support.process { "perl", "-e", LISTEN, name }
  support.wait_until("a supervisor at " .. name, function() return process:stdout():find "^listening\n" end)
  return setmetatable({ process = process }, Socket)
end

---All messages so far, each as the lines it has.
---@return string[][]
function Socket:messages()
  local messages = {}
  for message in self.process:stdout():gmatch "%[(.-)%]\n" do
    local lines = {}
    for line in message:gmatch "[^\n]+" do lines[#lines + 1] = line end
    messages[#messages + 1] = lines
  end
  return messages
end

---Waits for a message after the first `skip` that has a line with this pattern.
---@param pattern string
---@param skip integer?
---@return integer number of the message
---@return string[] lines of the message
function Socket:wait_for(pattern, skip)
  local number, found
  support.wait_until("the message " .. pattern, function()
    for i, lines in ipairs(self:messages()) do
      for _, line in ipairs(lines) do
        if i > (skip or 0) and line:find(pattern) then
          number, found = i, lines
          return true
        end
      end
    end
  end)
  return number, found
end

---How many messages have a line with this pattern.
---@param pattern string
---@return integer
function Socket:count(pattern)
  local count = 0
  for _, lines in ipairs(self:messages()) do
    for _, line in ipairs(lines) do
      if line:find(pattern) then count = count + 1 end
    end
  end
  return count
end

function Socket:stop() self.process:stop() end

return notify
