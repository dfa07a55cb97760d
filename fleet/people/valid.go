package people

import (
	"crypto/sha256"
	"encoding/hex"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ardoise/ardoise/fleet"
)

const (
	maxLogin  = 64
	maxName   = 100
	maxMail   = 254 // RFC 5321 section 4.5.3.1.3
	maxPlaces = 500
	maxPlace  = 127 // SITE/ROOM
)

var loginForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._@-]{1,63}$`)

// valid bounds and checks what people write about a person: *RefusedError with the field.
func valid(x Person) (Person, error) {
	x.Login = strings.ToLower(strings.TrimSpace(x.Login))
	if !loginForm.MatchString(x.Login) {
		return x, refuse(CodeBadLogin, "login", clean(x.Login, maxLogin))
	}
	x.Name = strings.Join(strings.Fields(x.Name), " ")
	if x.Name == "" || utf8.RuneCountInString(x.Name) > maxName || clean(x.Name, maxName) != x.Name {
		return x, refuse(CodeBadName, "name", clean(x.Name, maxName))
	}
	x.Mail = strings.TrimSpace(x.Mail)
	if x.Mail != "" {
		a, err := mail.ParseAddress(x.Mail)
		if err != nil || a.Address != x.Mail || len(x.Mail) > maxMail || clean(x.Mail, maxMail) != x.Mail {
			return x, refuse(CodeBadMail, "mail", clean(x.Mail, maxMail))
		}
	}
	x.Language, x.Theme = clean(x.Language, 8), clean(x.Theme, 8)
	return placed(x)
}

// placed checks the role with its places. What belongs to another role is taken off; but who loses all his places that way
// would have all sites.
func placed(x Person) (Person, error) {
	var ok bool
	if x.Sites, ok = places(x.Sites); !ok {
		return x, refuse(CodeBadRole, "sites", "")
	}
	if x.Rooms, ok = places(x.Rooms); !ok || slices.Contains(x.Rooms, "") {
		return x, refuse(CodeBadRole, "rooms", "")
	}
	switch x.Role {
	case Administrator:
		x.Sites, x.Rooms = nil, nil
	case Technician, Reader:
		if len(x.Rooms) > 0 && len(x.Sites) == 0 {
			return x, refuse(CodeBadRole, "sites", "")
		}
		x.Rooms = nil
	case Teacher:
		x.Sites = nil
	default:
		return x, refuse(CodeBadRole, "role", clean(string(x.Role), maxName))
	}
	return x, nil
}

// places cleans a list of names of sites or rooms, each once.
func places(list []string) (out []string, ok bool) {
	for _, s := range list {
		s = strings.TrimSpace(s)
		if s == Whole || clean(s, maxPlace) != s {
			return nil, false
		}
		if !holds(out, s) {
			out = append(out, s)
		}
	}
	return out, len(out) <= maxPlaces
}

// clean makes a string of foreign origin harmless.
func clean(s string, limit int) string { return fleet.Clean(s, limit) }

// digest is how a secret is kept.
func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}
