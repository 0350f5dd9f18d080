-- The commands; what they do is loaded once one of them is used.
if vim.g.loaded_greenroom then
  return
end
vim.g.loaded_greenroom = true

local function command(name, does, options)
  vim.api.nvim_create_user_command(name, function(called)
    require('greenroom')[does](called)
  end, options)
end

command('Greenroom', 'ask', { nargs = '*', range = true, desc = 'ask a model, about the selection if there is one' })
command('GreenroomStop', 'stop', { desc = 'stop what is being answered' })
command('GreenroomModel', 'model', {
  nargs = '?',
  desc = 'name the model that is asked from now on, or show it',
  complete = function(word)
    return require('greenroom').models(word)
  end,
})
