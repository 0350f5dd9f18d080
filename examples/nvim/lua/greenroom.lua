-- Asks models from inside Neovim: what is selected goes to `greenroom mcp`, and the answer is written into a buffer as it
-- comes.

local server = require('greenroom.server')

local M = {}

local options = {
  -- How the server is started.
  command = { 'greenroom', 'mcp' },
  -- provider/model or an alias; nil is greenroom's default.
  model = nil,
  -- The id of a session in which all of it is asked, so that models remember it; nil asks each time anew.
  session = nil,
}

-- The calls that are being answered, each with the buffer that it is written into, the newest last.
local answering = {}

function M.setup(given)
  options = vim.tbl_extend('force', options, given or {})
end

-- What the last visual selection covers, if it is what the command was given as its range, else the lines of the range.
local function selection(called)
  local first, last = called.line1 - 1, called.line2 - 1
  local from, to = vim.api.nvim_buf_get_mark(0, '<'), vim.api.nvim_buf_get_mark(0, '>')
  local is_visual = from[1] == called.line1 and to[1] == called.line2
  if not is_visual or vim.fn.visualmode() ~= 'v' then
    return vim.api.nvim_buf_get_lines(0, first, last + 1, false)
  end
  local line = vim.api.nvim_buf_get_lines(0, last, last + 1, false)[1]
  -- The mark stands on the first byte of the last character, which belongs to the selection as a whole.
  local rest = line:sub(to[2] + 1)
  local stop = to[2] + #vim.fn.matchstr(rest, '.')
  return vim.api.nvim_buf_get_text(0, first, from[2], last, stop, {})
end

local function prompt_of(called)
  local prompt = called.args
  if called.range == 0 then
    return prompt
  end
  -- A fence that is longer than any in the text, so that the text can't close it.
  local text = table.concat(selection(called), '\n')
  local longest = 2
  for ticks in text:gmatch('`+') do
    longest = math.max(longest, #ticks)
  end
  local fence = ('`'):rep(longest + 1)
  return ('%s\n\n%s%s\n%s\n%s'):format(prompt, fence, vim.bo.filetype, text, fence)
end

-- A buffer of its own beside the one that is asked about, which stays the current one.
local function open_buffer()
  local asked_in = vim.api.nvim_get_current_win()
  vim.cmd('botright vnew')
  local buffer = vim.api.nvim_get_current_buf()
  vim.bo[buffer].buftype = 'nofile'
  vim.bo[buffer].bufhidden = 'hide'
  vim.bo[buffer].swapfile = false
  vim.bo[buffer].filetype = 'markdown'
  vim.wo.wrap = true
  vim.wo.linebreak = true
  vim.api.nvim_set_current_win(asked_in)
  return buffer
end

-- Adds a text at the end of a buffer, and scrolls the windows whose cursor is there.
local function append(buffer, text)
  if text == '' or not vim.api.nvim_buf_is_valid(buffer) then
    return
  end
  local count = vim.api.nvim_buf_line_count(buffer)
  local last = vim.api.nvim_buf_get_lines(buffer, count - 1, count, false)[1]
  local lines = vim.split(last .. text, '\n', { plain = true })
  vim.api.nvim_buf_set_lines(buffer, count - 1, count, false, lines)
  for _, window in ipairs(vim.fn.win_findbuf(buffer)) do
    if vim.api.nvim_win_get_cursor(window)[1] == count then
      vim.api.nvim_win_set_cursor(window, { count + #lines - 1, 0 })
    end
  end
end

-- Asks what the command says, about what it is given as its range.
function M.ask(called)
  local prompt = prompt_of(called)
  if vim.trim(prompt) == '' then
    vim.notify('greenroom: say what to ask, or select what it is about', vim.log.levels.ERROR)
    return
  end
  local arguments = { prompt = prompt, model = options.model, session = options.session }
  local buffer = open_buffer()
  local call = { buffer = buffer }
  local streamed = false
  table.insert(answering, call)
  local function progress(told)
    streamed = streamed or (told.message or '') ~= ''
    append(buffer, told.message or '')
  end
  local function done(result, error)
    answering = vim.tbl_filter(function(other)
      return other ~= call
    end, answering)
    if error then
      append(buffer, '\n\n[' .. error .. ']')
    elseif result.isError then
      append(buffer, '\n\n[' .. server.text_of(result) .. ']')
    elseif not streamed then
      append(buffer, server.text_of(result))
    end
  end
  call.id = server.call(options.command, 'ai_chat', arguments, { progress = progress, done = done })
  vim.api.nvim_create_autocmd('BufWipeout', {
    buffer = buffer,
    once = true,
    callback = function()
      server.cancel(call.id)
    end,
  })
end

-- Stops the answer that is written into the current buffer, or the newest.
function M.stop()
  local here = vim.api.nvim_get_current_buf()
  local meant = answering[#answering]
  for _, call in ipairs(answering) do
    if call.buffer == here then
      meant = call
    end
  end
  if not meant then
    vim.notify('greenroom: nothing is being answered', vim.log.levels.WARN)
    return
  end
  server.cancel(meant.id)
end

function M.model(called)
  if called.args ~= '' then
    options.model = called.args
  end
  vim.notify('greenroom: ' .. (options.model or 'the default model is asked'))
end

-- The names of models that begin with a word, for completion.
function M.models(word)
  local names
  server.call(options.command, 'ai_list_models', vim.empty_dict(), {
    done = function(result)
      names = {}
      local told = result and result.structuredContent or {}
      vim.list_extend(names, told.aliases or {})
      for _, model in ipairs(told.models or {}) do
        table.insert(names, model.provider .. '/' .. model.id)
      end
    end,
  })
  vim.wait(3000, function()
    return names ~= nil
  end, 20)
  return vim.tbl_filter(function(name)
    return vim.startswith(name, word)
  end, names or {})
end

-- How many answers are under way, for a status line.
function M.answering()
  return #answering
end

return M
