package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"lorrent/daemon/torrent"
	"lorrent/lora"
	"lorrent/rpc"
	"lorrent/storage"
	"lorrent/storage/disk"
)

// domainErrors says which code an error of the domain packages becomes. The
// first that errors.Is finds wins, so narrow ones come first.
var domainErrors = []struct {
	err  error
	code int
}{
	{torrent.ErrNotFound, rpc.CodeNotFound},
	{storage.ErrNotFound, rpc.CodeNotFound},
	{torrent.ErrInvalid, rpc.CodeInvalid},
	{torrent.ErrLimits, rpc.CodeInvalid},
	{torrent.ErrFiles, rpc.CodeInvalid},
	{torrent.ErrNoMetadata, rpc.CodeBusy},
	{torrent.ErrClosed, rpc.CodeClosing},
	{lora.ErrTooLong, rpc.CodeInvalid},
	{lora.ErrEmpty, rpc.CodeInvalid},
	{lora.ErrText, rpc.CodeInvalid},
	{lora.ErrAddress, rpc.CodeInvalid},
	{lora.ErrInvalid, rpc.CodeInvalid},
	{lora.ErrSilent, rpc.CodeTimeout},
	{lora.ErrUnknown, rpc.CodeNotFound},
	{lora.ErrExists, rpc.CodeInvalid},
	{lora.ErrOff, rpc.CodeLoRaDown},
	{lora.ErrFull, rpc.CodeLoRaDown},
	{disk.ErrNoSpace, rpc.CodeDisk},
	{disk.ErrRootMissing, rpc.CodeDisk},
	{disk.ErrReadOnly, rpc.CodeDisk},
	{fs.ErrPermission, rpc.CodeDisk},
	{context.DeadlineExceeded, rpc.CodeTimeout},
	{context.Canceled, rpc.CodeClosing},
}

// kinds has the kind of every code.
var kinds = map[int]string{
	rpc.CodeParse:          rpc.KindParse,
	rpc.CodeInvalidRequest: rpc.KindInvalidRequest,
	rpc.CodeMethodNotFound: rpc.KindMethodNotFound,
	rpc.CodeInvalidParams:  rpc.KindInvalidParams,
	rpc.CodeInternal:       rpc.KindInternal,
	rpc.CodeNotFound:       rpc.KindNotFound,
	rpc.CodeAmbiguous:      rpc.KindAmbiguous,
	rpc.CodeInvalid:        rpc.KindInvalid,
	rpc.CodeBusy:           rpc.KindBusy,
	rpc.CodeDenied:         rpc.KindDenied,
	rpc.CodeDisk:           rpc.KindDisk,
	rpc.CodeLoRaDown:       rpc.KindLoRaDown,
	rpc.CodeTimeout:        rpc.KindTimeout,
	rpc.CodeClosing:        rpc.KindClosing,
	rpc.CodeFetch:          rpc.KindFetch,
}

// failure makes an error of the given code.
func failure(code int, format string, args ...any) *rpc.Error {
	return &rpc.Error{Code: code, Message: fmt.Sprintf(format, args...), Data: rpc.ErrorData{Kind: kinds[code]}}
}

// translate turns any error into one for the client. What the table does not
// know is an internal error.
func translate(err error) *rpc.Error {
	var ours *rpc.Error
	if errors.As(err, &ours) {
		return ours
	}
	var ambiguous *torrent.AmbiguousError
	if errors.As(err, &ambiguous) {
		e := failure(rpc.CodeAmbiguous, "%v", err)
		for _, hash := range ambiguous.Matches[:min(len(ambiguous.Matches), maxMatches)] {
			e.Data.Matches = append(e.Data.Matches, hash.String())
		}
		return e
	}
	known := slices.IndexFunc(domainErrors, func(d struct {
		err  error
		code int
	}) bool {
		return errors.Is(err, d.err)
	})
	if known < 0 {
		return failure(rpc.CodeInternal, "%v", err)
	}
	return failure(domainErrors[known].code, "%v", err)
}

// maxMatches bounds the list in an "ambiguous" error: an empty-looking prefix
// may fit every torrent.
const maxMatches = 20
