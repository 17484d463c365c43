package feed

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

// Paced returns a mirror that begins at most one request in each interval, for servers
// that limit the rate of requests.
func Paced(m Mirror, interval time.Duration) Mirror {
	return &paced{m, rate.NewLimiter(rate.Every(interval), 1)}
}

type paced struct {
	Mirror
	limiter *rate.Limiter
}

// Get implements Mirror.
func (p *paced) Get(ctx context.Context, name string, limit int64, before Version) ([]byte, Version, error) {
	if err := p.limiter.Wait(ctx); err != nil {
		return nil, Version{}, err
	}
	return p.Mirror.Get(ctx, name, limit, before)
}

// Save implements Mirror.
func (p *paced) Save(ctx context.Context, name, path string, limit int64, before Version) (Version, error) {
	if err := p.limiter.Wait(ctx); err != nil {
		return Version{}, err
	}
	return p.Mirror.Save(ctx, name, path, limit, before)
}
