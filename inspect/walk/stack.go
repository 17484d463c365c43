package walk

import "sync"

// A stack holds the directories that are still to be read. All workers share it. The
// newest directory is returned first, so the tree is walked depth first and the size of
// the stack grows with the depth of the tree and not with its breadth.
type stack struct {
	mu      sync.Mutex
	changed sync.Cond
	dirs    []*dir
	working int // workers that have a directory and may push more
	idle    int // workers that are waiting
	closed  bool
}

func newStack() *stack {
	s := &stack{}
	s.changed.L = &s.mu
	return s
}

func (s *stack) push(dirs ...*dir) {
	if len(dirs) == 0 {
		return
	}
	s.mu.Lock()
	s.dirs = append(s.dirs, dirs...)
	idle := s.idle
	s.mu.Unlock()
	for range min(idle, len(dirs)) {
		s.changed.Signal()
	}
}

// pop returns the next directory. It returns false if the stack is closed, or if it is
// empty and no worker can push more. Each directory that it returns must be followed by
// a call of done.
func (s *stack) pop() (*dir, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.dirs) == 0 && s.working > 0 && !s.closed {
		s.idle++
		s.changed.Wait()
		s.idle--
	}
	if len(s.dirs) == 0 || s.closed {
		return nil, false
	}
	s.working++
	last := len(s.dirs) - 1
	d := s.dirs[last]
	s.dirs[last] = nil
	s.dirs = s.dirs[:last]
	return d, true
}

func (s *stack) done() {
	s.mu.Lock()
	s.working--
	end := s.working == 0 && len(s.dirs) == 0
	s.mu.Unlock()
	if end {
		s.changed.Broadcast()
	}
}

// close makes every pop return false. Pending directories stay in dirs.
func (s *stack) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.changed.Broadcast()
}
