-- A server of the Model Context Protocol, started when it is first needed and started anew if it is gone: JSON-RPC, a
-- message a line, on its standard input and output.

local M = {}

local REVISION = '2025-06-18'

-- What is asked and not answered yet, by its id: { progress, done }.
local waiting = {}
local next_id = 0
local job
-- What was read of a line whose end has not come.
local partial = ''
-- The last line that the server said on its standard error since its last message: why it ended, if it ends.
local complaint = ''
-- Calls that are held until the server has said hello.
local held

local function send(message)
  message.jsonrpc = '2.0'
  -- A server that is gone is told of by `on_exit`.
  pcall(vim.fn.chansend, job, vim.json.encode(message) .. '\n')
end

local function finish(id, result, error)
  local call = waiting[id]
  waiting[id] = nil
  if call then
    call.done(result, error)
  end
end

local function take(message)
  if message.method == 'notifications/progress' then
    local call = waiting[message.params.progressToken]
    if call and call.progress then
      call.progress(message.params)
    end
  elseif message.method and message.id then
    -- Nothing is offered to the server.
    send({ id = message.id, error = { code = -32601, message = 'this client has no such method' } })
  elseif message.id then
    finish(message.id, message.result, message.error and message.error.message)
  end
end

local function on_stdout(_, lines)
  partial = partial .. lines[1]
  for index = 2, #lines do
    local line = partial
    partial = lines[index]
    if line ~= '' then
      local read, message = pcall(vim.json.decode, line)
      if read then
        complaint = ''
        take(message)
      end
    end
  end
end

local function on_exit(_, code)
  job, partial, held = nil, '', nil
  local gone = waiting
  waiting = {}
  for _, call in pairs(gone) do
    call.done(nil, ('greenroom ended (%d): %s'):format(code, complaint ~= '' and complaint or 'it did not say why'))
  end
end

local function start(command)
  complaint = ''
  local started, number = pcall(vim.fn.jobstart, command, {
    on_stdout = on_stdout,
    on_stderr = function(_, lines)
      for _, line in ipairs(lines) do
        complaint = line ~= '' and line or complaint
      end
    end,
    on_exit = on_exit,
  })
  if not started or number <= 0 then
    return false
  end
  job, held = number, {}
  next_id = next_id + 1
  waiting[next_id] = {
    done = function(_, error)
      local ready = held or {}
      held = nil
      if not error then
        send({ method = 'notifications/initialized' })
      end
      for _, message in ipairs(ready) do
        if error then
          finish(message.id, nil, error)
        else
          send(message)
        end
      end
    end,
  }
  local params = {
    protocolVersion = REVISION,
    capabilities = vim.empty_dict(),
    clientInfo = { name = 'greenroom.nvim', version = '1' },
  }
  send({ id = next_id, method = 'initialize', params = params })
  return true
end

-- Calls a tool. `on.progress` gets what the answer says as it comes, `on.done` the result, or nil and why there is none.
-- Gives the id of the call, by which it can be cancelled.
function M.call(command, tool, arguments, on)
  if not job and not start(command) then
    on.done(nil, ("'%s' can't be started: put greenroom on PATH, or name it in setup{ command = … }"):format(command[1]))
    return nil
  end
  next_id = next_id + 1
  local id = next_id
  waiting[id] = on
  local params = { name = tool, arguments = arguments }
  if on.progress then
    params._meta = { progressToken = id }
  end
  local message = { id = id, method = 'tools/call', params = params }
  if held then
    table.insert(held, message)
  else
    send(message)
  end
  return id
end

-- Gives a call up; the server takes that as far as the provider's socket.
function M.cancel(id)
  if not id or not waiting[id] then
    return
  end
  if held then
    held = vim.tbl_filter(function(message)
      return message.id ~= id
    end, held)
  else
    send({ method = 'notifications/cancelled', params = { requestId = id, reason = 'the user stopped it' } })
  end
  finish(id, nil, 'stopped')
end

-- The words of a result.
function M.text_of(result)
  local texts = {}
  for _, block in ipairs(result.content or {}) do
    table.insert(texts, block.text)
  end
  return table.concat(texts, '\n')
end

return M
