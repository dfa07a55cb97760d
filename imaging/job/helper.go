package job

import "net/netip"

// PathHelper is for helpers, which wake computers in networks that the server's own packets do not get to: TLS without client
// certificate, the secret of the helper's HelperKey as "Authorization: Bearer SECRET", a HelperPoll as body. POST waits for work
// for up to 25 s: 200 with a HelperWork, 204 when there was none. 400: the body is not like that. 401: no helper has this
// secret, or it was forgotten. 429: this address has shown too many wrong secrets, or this helper waits several times already.
const PathHelper = "/agent/v1/helper/wake"

// The bounds of what a helper says and is told.
const (
	MaxHelperNetworks = 64 // of a HelperPoll
	MaxHelperWork     = 32 // computers of a HelperWork, and so of a HelperPoll's Done
)

// HelperKey is the file by which a helper knows the server and proves itself. It is told once; the server keeps the secret's
// hash.
type HelperKey struct {
	Servers []string `json:"servers"` // HOST:PORT of the agent API, tried in turn
	CA      string   `json:"ca"`      // SHA-256 of the CA certificate's DER, 64 hexadecimal digits: what proves the server
	Name    string   `json:"name"`    // to be shown
	Secret  string   `json:"secret"`  // printable ASCII without spaces, at most 128 characters
}

// HelperPoll is what a helper says each time that it asks for work.
type HelperPoll struct {
	Version  string         // of its program, for people
	Networks []netip.Prefix // IPv4 networks of the interfaces that it wakes through
	Done     []string       `json:",omitempty"` // IDs that it was told and need not be told again: their packets are out
}

// HelperWork is whom a helper wakes now.
type HelperWork struct{ Wake []HelperWake }

// HelperWake is one MAC address to be woken. It is told again until its ID was in a Done, for two minutes or so.
type HelperWake struct{ ID, MAC string }
