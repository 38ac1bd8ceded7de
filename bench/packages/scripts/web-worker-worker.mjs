addEventListener('message', ({ data }) => postMessage(data + 1))
