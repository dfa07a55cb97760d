package web

import (
	"errors"
	"io"
	"mime/multipart"
)

// readFile reads a file that was sent with a form: the form as a whole is no larger than maxForm.
func readFile(h *multipart.FileHeader) (text string, err error) {
	f, err := h.Open()
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	b, err := io.ReadAll(f)
	return string(b), err
}
