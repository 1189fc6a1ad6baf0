package secrets

import (
	"context"

	"sundial/domain"
	"sundial/internal/engine"
)

// ExecuteAsBefore commits a command as programs did that printed none: its content told by prints with the app's keys.
func (c *Keeper) ExecuteAsBefore(ctx context.Context, req engine.Request) (engine.Answer, error) {
	brings := req.Command.(secretive) //nolint:forcetypeassert // the tests give no others
	content, err := brings.content(ctx, c, req.Account)
	if err != nil {
		return engine.Answer{}, err
	}
	cmd, _, err := brings.seal(ctx, c, req.Account)
	if err != nil {
		return engine.Answer{}, err
	}
	switch told := content.(type) {
	case domain.AddCertificate:
		sealed := cmd.(domain.AddCertificate) //nolint:forcetypeassert // of the same command
		sealed.Given = told.Given
		cmd = sealed
	case domain.EditCertificate:
		sealed := cmd.(domain.EditCertificate) //nolint:forcetypeassert // of the same command
		sealed.Given = told.Given
		cmd = sealed
	}
	req.Command = cmd
	return c.config.Engine.Execute(ctx, req)
}

// Sent is what is printed of a command.
func Sent(cmd domain.Command) ([]byte, error) {
	return cmd.(secretive).sent() //nolint:forcetypeassert // the tests give no others
}
