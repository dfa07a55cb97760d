package access

import (
	"context"
	"errors"
	"net/http"

	"github.com/ardoise/ardoise/console/post"
	"github.com/ardoise/ardoise/fleet/people"
)

// Post sends the morning's reports.
type Post interface {
	// Settings returns the settings without their secrets, and what went wrong with the last report.
	Settings() (post.Settings, error)
	Set(post.Settings) error
	// Try sends a report now.
	Try(ctx context.Context) error
}

// PostState is where the morning's report goes, and how it went.
type PostState struct {
	post.Settings
	Trouble string `json:"trouble,omitempty"` // with the last report
}

func (d Desk) mayPost() error {
	if d.h.Post == nil {
		return notFound("no-route", "post")
	}
	return d.mayWhole(people.ActionSettings, "post")
}

// Post says where the morning's report goes. Secrets are shown as hidden.
func (d Desk) Post() (PostState, error) {
	if err := d.mayPost(); err != nil {
		return PostState{}, err
	}
	s, err := d.h.Post.Settings()
	out := PostState{Settings: s}
	if err != nil {
		out.Trouble = err.Error()
	}
	return out, nil
}

// SetPost says anew where the morning's report goes. Secrets that are given as they are shown stay.
func (d Desk) SetPost(ctx context.Context, s post.Settings) (PostState, error) {
	return change(ctx, d, whole("post set", s.At), func(*deed) (PostState, error) {
		if err := d.mayPost(); err != nil {
			return PostState{}, err
		}
		if err := d.h.Post.Set(s); err != nil {
			return PostState{}, postError(err)
		}
		return d.Post()
	})
}

// TryPost sends a report of the last day now.
func (d Desk) TryPost(ctx context.Context) (PostState, error) {
	return change(ctx, d, whole("post try", ""), func(*deed) (PostState, error) {
		if err := d.mayPost(); err != nil {
			return PostState{}, err
		}
		if err := d.h.Post.Try(ctx); err != nil {
			return PostState{}, postError(err)
		}
		return d.Post()
	})
}

// postError says what a report met.
func postError(err error) error {
	var field *post.FieldError
	if errors.As(err, &field) {
		return &Error{Status: http.StatusBadRequest, Code: "bad-post", Field: field.Field, Detail: field.Why}
	}
	return conflict("not-sent", "", err.Error())
}
