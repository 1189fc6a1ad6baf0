package vault

import "errors"

// DamagedError says whose secrets cannot be opened because what is stored is not what was: the wrapped keys, or what was sealed
// with them. It is ErrTampered too, which counts it.
type DamagedError struct {
	Holder Holder
	Err    error
}

func (e *DamagedError) Error() string { return e.Err.Error() }

func (e *DamagedError) Unwrap() error { return e.Err }

// Is says that whatever is damaged was not sealed here as it is.
func (e *DamagedError) Is(target error) bool { return target == ErrTampered }

// App is the SDKAppID of the app whose secrets they are; 0 for the log's own key, with which commands that brought secrets are told apart.
func (e *DamagedError) App() uint64 { return e.Holder.App }

// damaged names whose secrets an error is about, where it says that they are damaged.
func damaged(h Holder, err error) error {
	if errors.Is(err, errRecord) || errors.Is(err, ErrTampered) {
		return &DamagedError{h, err}
	}
	return err
}
