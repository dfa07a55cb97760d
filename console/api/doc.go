// Package api is how orders reach the daemon: JSON over HTTP, for its own command line over a Unix socket in the data folder
// and for programs over the console's HTTPS. Both are the same routes over one access.Desk; they differ in who is asked for.
//
//	data/ardoise.sock   mode 0600, SO_PEERCRED (unix(7)) names the daemon's user or root: an administrator
//	https://HOST:8443   Authorization: Bearer ard_..., or the console's cookie from the console's own pages
//
//	/api/v1/...         the routes
//	/api/openapi.json   their description (OpenAPI 3.1), made from the Go types; also .yaml
//
// Most routes take and give JSON: fields and parameters that are not known are refused, so that a misspelt one is not
// taken for its default. What does not fit in memory or goes on for long is a stream: export files, manifests, chunks,
// works on the store, a job that is watched, events; its parameters are held to the same. What a field means is said by its
// comment in Go (fields.json, which a test writes), which values it has by values.go. Errors are access.Error with a status of 4xx or 5xx; their codes are
// those of console/notices.
//
// Guaranteed: a request is answered for exactly one caller, whose desk decides what there is; what a browser of another
// site sends with somebody's cookie is refused (Fetch Metadata; RFC 6454, section 7); a token has a rate, and who does not
// read what he asked for is dropped. Not guaranteed: that fields are never added to answers.
package api

// about is the description's first sentence.
const about = "What the console and the command line of Ardoise can do. Errors are {code, what, detail}; what lies outside " +
	"the sites and rooms of who asks is not found."
