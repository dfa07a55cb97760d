package capture

import (
	"context"
	"errors"

	"github.com/ardoise/ardoise/masters/manifest"
)

// Run captures a disk: it reads its partition table and volumes, cuts them into chunks, gives Sink those that it lacks
// and returns the manifest without name, version and signature.
func Run(ctx context.Context, o Options) (*manifest.Manifest, Report, error) {
	return nil, Report{}, errors.New("capturing: not built yet")
}
