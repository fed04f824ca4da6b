// `node http2.js PORT URL`: a front on the loopback that takes HTTP/2 without TLS, which AWS's Java client insists on for
// Kinesis, for a server that knows HTTP/1.1 only.
'use strict'
const http = require('node:http')
const http2 = require('node:http2')
const [port, url] = process.argv.slice(2)
const agent = new http.Agent({ keepAlive: true })
http2.createServer((request, response) => {
  const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !name.startsWith(':')))
  const onward = http.request(url, { agent, method: request.method, path: request.url, headers }, (answer) => {
    const { connection, 'keep-alive': alive, 'transfer-encoding': encoding, ...others } = answer.headers
    response.writeHead(answer.statusCode, others)
    answer.pipe(response)
  })
  onward.on('error', (error) => response.stream.destroy(error))
  request.pipe(onward)
}).listen(Number(port), '127.0.0.1')
