package domain

import (
	"hash/fnv"
	"iter"
	"slices"
)

// tree is an ordered set of which copies are free: a change makes the nodes on its path anew and leaves what others hold
// as it is. Each node sums up what is below it, so that questions about a range look at a path and not at every entry.
//
// It is a treap whose priorities follow from the entries' keys. Its shape therefore follows from what is in it alone,
// whatever the order in which that came.
type tree[E entry[E, S], S summary[S]] struct{ root *node[E, S] }

// entry is what a tree holds.
type entry[E, S any] interface {
	comparable
	compare(other E) int // by key; 0 for an entry that takes the other's place
	priority() uint64    // follows from the key, and looks drawn by lot
	sum() S              // of the entry alone
}

// summary is what is known of neighbouring entries together.
type summary[S any] interface {
	then(next S) S // with what comes behind; the zero value is that of no entries
}

// unsummed is the summary of a tree that is asked for its entries alone.
type unsummed struct{}

func (unsummed) then(unsummed) unsummed { return unsummed{} }

// lot draws the priority of an entry with this id.
func lot(id string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(id))
	x := h.Sum64() // ids that differ in their last letters have sums that are close: spread them
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return x
}

type node[E entry[E, S], S summary[S]] struct {
	left, right *node[E, S]
	entry       E
	priority    uint64
	size        int
	sum         S
}

func (t tree[E, S]) size() int { return t.root.count() }

func (t tree[E, S]) sum() S { return t.root.summed() }

// find gives the entry that has the key of the one given.
func (t tree[E, S]) find(key E) (E, bool) {
	for n := t.root; n != nil; {
		switch c := key.compare(n.entry); {
		case c == 0:
			return n.entry, true
		case c < 0:
			n = n.left
		default:
			n = n.right
		}
	}
	var none E
	return none, false
}

// all gives the entries in order.
func (t tree[E, S]) all() iter.Seq[E] {
	return func(yield func(E) bool) { t.root.walk(yield) }
}

// with is the tree with an entry, in place of the one that has its key.
func (t tree[E, S]) with(e E) tree[E, S] { return tree[E, S]{t.root.with(e, e.priority())} }

// without is the tree without the entry that has this key.
func (t tree[E, S]) without(key E) tree[E, S] { return tree[E, S]{t.root.without(key)} }

// treeOf is the tree of entries; their order is no matter, their keys differ.
func treeOf[E entry[E, S], S summary[S]](entries []E) tree[E, S] {
	slices.SortFunc(entries, E.compare)
	var spine []*node[E, S] // the right edge of the tree so far, from the root down
	for _, e := range entries {
		n := &node[E, S]{entry: e, priority: e.priority()}
		for len(spine) > 0 && n.above(spine[len(spine)-1]) {
			n.left = spine[len(spine)-1]
			n.left.settle()
			spine = spine[:len(spine)-1]
		}
		if len(spine) > 0 {
			spine[len(spine)-1].right = n
		}
		spine = append(spine, n)
	}
	if len(spine) == 0 {
		return tree[E, S]{}
	}
	for _, n := range slices.Backward(spine) {
		n.settle()
	}
	return tree[E, S]{spine[0]}
}

func (n *node[E, S]) count() int {
	if n == nil {
		return 0
	}
	return n.size
}

func (n *node[E, S]) summed() S {
	if n == nil {
		var none S
		return none
	}
	return n.sum
}

func (n *node[E, S]) walk(yield func(E) bool) bool {
	return n == nil || n.left.walk(yield) && yield(n.entry) && n.right.walk(yield)
}

// since gives the entries that are not in an earlier tree, or not as they are. It skips what both share.
func (n *node[E, S]) since(was *node[E, S], yield func(E) bool) bool {
	if n == nil {
		return true
	}
	known := was
	for known != nil && known != n {
		c := n.entry.compare(known.entry)
		if c == 0 {
			break
		}
		if c < 0 {
			known = known.left
		} else {
			known = known.right
		}
	}
	if known == n {
		return true
	}
	return n.left.since(was, yield) && (known != nil && known.entry == n.entry || yield(n.entry)) && n.right.since(was, yield)
}

// behind gives the entries behind a key.
func (n *node[E, S]) behind(key E, yield func(E) bool) bool {
	switch {
	case n == nil:
		return true
	case n.entry.compare(key) <= 0:
		return n.right.behind(key, yield)
	}
	return n.left.behind(key, yield) && yield(n.entry) && n.right.walk(yield)
}

// settle sums a node up that is still its maker's alone, once what is below it stands.
func (n *node[E, S]) settle() {
	n.size = n.left.count() + 1 + n.right.count()
	n.sum = n.left.summed().then(n.entry.sum()).then(n.right.summed())
}

// above says whether a node stands above another in the tree.
func (n *node[E, S]) above(o *node[E, S]) bool {
	return n.priority > o.priority || n.priority == o.priority && n.entry.compare(o.entry) < 0
}

func (n *node[E, S]) with(e E, priority uint64) *node[E, S] {
	if n == nil {
		leaf := &node[E, S]{entry: e, priority: priority}
		leaf.settle()
		return leaf
	}
	made := *n
	switch c := e.compare(n.entry); {
	case c == 0:
		made.entry = e
	case c < 0:
		child := n.left.with(e, priority)
		if child.above(n) {
			made.left, child.right = child.right, &made
			made.settle()
			child.settle()
			return child
		}
		made.left = child
	default:
		child := n.right.with(e, priority)
		if child.above(n) {
			made.right, child.left = child.left, &made
			made.settle()
			child.settle()
			return child
		}
		made.right = child
	}
	made.settle()
	return &made
}

func (n *node[E, S]) without(key E) *node[E, S] {
	if n == nil {
		return nil
	}
	made := *n
	switch c := key.compare(n.entry); {
	case c == 0:
		return joined(n.left, n.right)
	case c < 0:
		made.left = n.left.without(key)
	default:
		made.right = n.right.without(key)
	}
	made.settle()
	return &made
}

// joined is the tree of two, all of the first before all of the second.
func joined[E entry[E, S], S summary[S]](a, b *node[E, S]) *node[E, S] {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	var made node[E, S]
	if a.above(b) {
		made = *a
		made.right = joined(a.right, b)
	} else {
		made = *b
		made.left = joined(a, b.left)
	}
	made.settle()
	return &made
}
