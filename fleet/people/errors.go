package people

import (
	"fmt"
	"time"
)

// Code is a stable word for a refusal; the surfaces have its sentences.
type Code string

// The refusals.
const (
	CodeWrong         Code = "wrong-login"    // login or password, nobody says which; an account that is not known
	CodeTooMany       Code = "too-many-tries" // from this address or for this login; Wait says for how long
	CodeBusy          Code = "login-busy"     // too many log in just now
	CodeNoSession     Code = "no-session"     // none such, or it ended
	CodeNoToken       Code = "no-token"       // none such, or it ended
	CodeWrongLink     Code = "wrong-link"     // used, too old, or never given
	CodeNobody        Code = "no-person"      // no such person
	CodeLoginTaken    Code = "login-taken"
	CodeBadLogin      Code = "bad-login"
	CodeBadName       Code = "bad-name" // empty or too long: of a person, a token
	CodeBadMail       Code = "bad-mail"
	CodeBadRole       Code = "bad-role"  // no such role, or a teacher's sites, a technician's rooms
	CodeBadScope      Code = "bad-scope" // none, or no such
	CodeBadTime       Code = "bad-time"  // a token that ends in the past
	CodeShort         Code = "password-short"
	CodeLong          Code = "password-long"
	CodeCommon        Code = "password-common"        // among those that everybody tries first
	CodeLikeLogin     Code = "password-like-login"    // contains the login or the name
	CodeLastOne       Code = "last-administrator"     // nobody would be left to let people in
	CodeTooManyOfThem Code = "too-many-kept"          // people, tokens
	CodeNotInvited    Code = "not-invited"            // the provider knows him, the house does not
	CodeProvided      Code = "role-from-the-provider" // cannot be changed here
)

// RefusedError is a refusal with its reason.
type RefusedError struct {
	Code  Code
	What  string        // a login, a name; never a secret
	Field string        // of a form: login, name, mail, password, role, sites, rooms, scopes, expires; "" for none
	Wait  time.Duration // of CodeTooMany: when it is worth trying again
}

// Error implements error.
func (e *RefusedError) Error() string {
	s := string(e.Code)
	if e.What != "" {
		s = fmt.Sprintf("%q: %s", e.What, s)
	}
	if e.Wait > 0 {
		s += fmt.Sprintf(": again in %s", e.Wait.Round(time.Second))
	}
	return s
}

func refuse(code Code, field, what string) *RefusedError {
	return &RefusedError{Code: code, Field: field, What: what}
}
