// Preloaded (`node -r`) into servers that would listen on every address: they listen on the loopback only, at the same
// port.
'use strict'
const { Server } = require('node:net')
const listen = Server.prototype.listen
Server.prototype.listen = function (first, ...others) {
  if (first !== null && typeof first === 'object') return listen.call(this, { ...first, host: '127.0.0.1' }, ...others)
  const callback = others.find((other) => typeof other === 'function')
  return listen.call(this, { port: Number(first) || 0, host: '127.0.0.1' }, callback)
}
