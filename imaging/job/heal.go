package job

// PathHeal is where a computer whose disk was just proven gives back chunks of its running deployment: GET answers with the
// ids of those that the server has lost, POST brings their frames. It is a courtesy: nothing waits for it.
const PathHeal = "/agent/v1/heal"

// MaxHeal is the most chunks that one computer is asked for at once.
const MaxHeal = 256
