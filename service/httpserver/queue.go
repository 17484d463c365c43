package httpserver

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"assay/service/store"
)

// A Queue lets few of many long tasks run at once, in the order of their arrival. It is for
// work that needs more than an answer does, such as reading an image. The tasks of one token or
// project leave room for others.
type Queue struct {
	budget   *budget
	patience time.Duration
}

// NewQueue returns a queue of which atOnce tasks run and waiting wait, each for at most the
// time patience.
func NewQueue(atOnce, waiting int, patience time.Duration) *Queue {
	share := max(1, atOnce-1)
	return &Queue{newBudget(int64(atOnce), int64(share), waiting, patience), patience}
}

// Enter waits until a task of a token may run. Call leave once it has ended. The error is a
// Problem with status 503 if too many tasks wait, or if it waited too long.
func (q *Queue) Enter(ctx context.Context, t store.Token) (leave func(), err error) {
	owner := ownerOf(t)
	if err := q.budget.acquire(ctx, owner, 1); errors.Is(err, errBusy) {
		return nil, Problem{Status: http.StatusServiceUnavailable, What: "the service has too many images to read", Hint: "try again later",
			RetryAfter: max(time.Second, min(q.patience, time.Minute)/2)}
	} else if err != nil {
		return nil, err
	}
	return sync.OnceFunc(func() { q.budget.release(owner, 1) }), nil
}
