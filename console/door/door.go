package door

import (
	"context"
	"net/http"
	"time"
)

// patience is how long answers may take that are under way at the end.
const patience = time.Second

// Serve calls serve, one of srv's own ways to serve, and ends srv when ctx ends. It returns what serve does when that ends
// by itself, else nil.
func Serve(ctx context.Context, srv *http.Server, serve func() error) error {
	done := make(chan error, 1)
	go func() { done <- serve() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err := srv.Shutdown(last); err != nil {
		_ = srv.Close()
	}
	<-done
	return nil
}
