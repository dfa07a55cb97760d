package access

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/ardoise/ardoise/console/post"
	"github.com/ardoise/ardoise/fleet/people"
)

// Post sends the morning's reports.
type Post interface {
	// Standing returns the settings without their secrets, and how it went.
	Standing() post.Standing
	Set(post.Settings) error
	// Try sends a report now.
	Try(ctx context.Context) ([]post.Delivery, error)
}

// PostState is where the morning's report goes, and how it went.
type PostState struct {
	post.Settings
	Sent    *time.Time `json:"sent,omitempty"`    // when the last one was taken by all
	Next    *time.Time `json:"next,omitempty"`    // when the next one is due
	Trouble string     `json:"trouble,omitempty"` // with the last report
	Why     []Error    `json:"why,omitempty"`     // the same, one for each way that did not take it
	Tried   []PostTry  `json:"tried,omitempty"`   // of a trial: how each way took it
}

// PostTry is how one way took a report.
type PostTry struct {
	Way     string   `json:"way"`            // mail or hook
	Site    string   `json:"site,omitempty"` // of a report of one site
	To      []string `json:"to,omitempty"`   // of a mail
	Trouble *Error   `json:"trouble,omitempty"`
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
	x := d.h.Post.Standing()
	out := PostState{Settings: x.Settings, Sent: moment(x.Sent), Next: moment(x.Next)}
	if x.Failure != nil {
		out.Trouble = x.Failure.Error()
	}
	for _, t := range post.Troubles(x.Failure) {
		out.Why = append(out.Why, *troubleError(t))
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

// TryPost sends a report of the last day now. Where a way does not take it, the first refusal is the error, and the state says
// how each way took it, still.
func (d Desk) TryPost(ctx context.Context) (PostState, error) {
	return change(ctx, d, whole("post try", ""), func(*deed) (PostState, error) {
		if err := d.mayPost(); err != nil {
			return PostState{}, err
		}
		tried, err := d.h.Post.Try(ctx)
		if err != nil {
			return PostState{}, postError(err)
		}
		out, err := d.Post()
		if err != nil {
			return PostState{}, err
		}
		for _, t := range tried {
			x := PostTry{Way: t.Way, Site: t.Site, To: t.To}
			if t.Trouble != nil {
				x.Trouble = troubleError(t.Trouble)
				if err == nil {
					err = x.Trouble
				}
			}
			out.Tried = append(out.Tried, x)
		}
		return out, err
	})
}

// postError says what is wrong with settings.
func postError(err error) error {
	var field *post.FieldError
	if errors.As(err, &field) {
		return &Error{Status: http.StatusBadRequest, Code: "bad-post", Field: field.Field, Detail: field.Why}
	}
	return err
}

// troubleError says why a report was not taken.
func troubleError(t *post.TroubleError) *Error { return conflict(t.Code, t.Where, t.Says) }
