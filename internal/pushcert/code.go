package pushcert

import "strings"

// Code is a stable name for what is wrong with a field, or for a warning. Codes are never renamed or reused.
type Code struct {
	Code   string
	Detail string // goes after the field's name; a field may say it more exactly
}

// What can be wrong, in the order of the documentation.
// convertP12 is how a p12 that is not read here becomes one that is.
const convertP12 = "convert it with openssl pkcs12 -legacy -in push.p12 -nodes -out push.pem, then openssl pkcs12 -export -in push.pem -out push.p12"

var (
	unknownPlatform  = Code{"unknown_platform", "must be one of the platforms that the documentation lists"}
	required         = Code{"required", "is required"}
	unknownField     = Code{"unknown_field", "is not a field of this platform"}
	surplusField     = Code{"surplus_field", "does not go with service_account_json: send that file, or package_name, sender_id and server_key"}
	wrongType        = Code{"wrong_type", "must be of the type that the field has"}
	empty            = Code{"empty", "must not be empty"}
	tooLong          = Code{"too_long", "is longer than the field may be"}
	controlCharacter = Code{"control_character", "must be without control characters, such as line breaks"}
	invalidFormat    = Code{"invalid_format", "must be of the form that the field has"}
	notAChoice       = Code{"not_a_choice", "must be one of the values that the field has"}
	invalidBase64    = Code{"invalid_base64", "must be the file in standard base64, with its padding"}

	invalidAction = Code{"invalid_click_action",
		`must be {"type":"open_app"}, {"type":"open_url","url":"https://..."} or {"type":"open_page","intent":"intent:..."}, and no more`}
	invalidURL    = Code{"invalid_url", "must have a url that begins with http:// or https://, names a host, has no password in it and has what is not ASCII percent-encoded"}
	invalidIntent = Code{"invalid_intent", "must have as intent an intent URI, which begins with intent: and, where it has #Intent;, ends with ;end"}

	p12Unreadable  = Code{"p12_unreadable", "cannot be read as a p12 file, or holds no certificate: export the push certificate with its private key again"}
	p12Unprotected = Code{"p12_unprotected", "has no password: export it with one"}
	p12Unsupported = Code{"p12_unsupported", "is protected in a way that is not read here: " + convertP12}
	p12TooCostly   = Code{"p12_too_costly", "asks for more work to open it than a password is worth: export it with at most 600,000 iterations"}
	wrongPassword  = Code{"wrong_password", "does not open the p12 file: send the one with which it was exported, or the file again if it was damaged"}
	p12NoKey       = Code{"p12_no_private_key", "has no private key: export the certificate together with its key"}
	p12SeveralKeys = Code{"p12_several_keys", "has more than one private key: export the push certificate alone"}
	p12OtherKey    = Code{"p12_key_mismatch", "has a private key that belongs to none of its certificates: export the certificate together with its own key"}
	p12BadKey      = Code{"p12_unsupported_key", "has a private key that Apple does not take: make one of RSA with 2,048 bits"}
	notPush        = Code{"not_push_certificate", "is not a certificate of Apple's push service: export the one called Apple Push Services with the app's bundle ID"}
	certExpired    = Code{"certificate_expired", "has expired: make a new push certificate on Apple's developer site"}
	otherEnv       = Code{"environment_mismatch", "contradicts the certificate, which is for the other environment: change it, or send a p12 for it with its password"}

	p8Unreadable = Code{"p8_unreadable", "cannot be read: send the file AuthKey_....p8 as Apple gives it, PEM with one block PRIVATE KEY"}
	p8Encrypted  = Code{"p8_encrypted", "is encrypted: send the file AuthKey_....p8 as Apple gives it"}
	p8OtherKey   = Code{"p8_wrong_key_type", "is not an EC key on the curve P-256: send the file AuthKey_....p8 as Apple gives it"}

	notJSON       = Code{"invalid_json", "must be the key file as Google gives it: one JSON object without duplicate names"}
	notAccount    = Code{"not_service_account", "is not the key of a service account: its type must be service_account"}
	accountLacks  = Code{"service_account_incomplete", "lacks a project_id, client_email or private_key that makes sense: download the key file again"}
	accountBadKey = Code{"service_account_key_unreadable", "has a private_key that is not an RSA key of 2,048 to 4,096 bits as PEM: download the key file again"}

	// Warnings. Their details are whole sentences.
	expired     = Code{"expired", "the certificate has expired, so that no push goes over it: send a new p12 with its password"}
	expiresSoon = Code{"expires_soon", "the certificate expires within 30 days: make a new one on Apple's developer site"}
	notYetValid = Code{"not_yet_valid", "the certificate is not valid yet: pushes over it begin to work at not_before"}
	inactive    = Code{"inactive", "mobile push (TPNS) excludes the certificate: it is stored, and no push goes over it"}
)

// Codes lists everything that can be wrong with a certificate that is sent.
func Codes() []Code {
	return []Code{
		unknownPlatform, required, unknownField, surplusField, wrongType, empty, tooLong, controlCharacter, invalidFormat,
		notAChoice, invalidBase64, invalidAction, invalidURL, invalidIntent,
		p12Unreadable, p12Unprotected, p12Unsupported, p12TooCostly, wrongPassword, p12NoKey, p12SeveralKeys, p12OtherKey,
		p12BadKey, notPush, certExpired, otherEnv, p8Unreadable, p8Encrypted, p8OtherKey,
		notJSON, notAccount, accountLacks, accountBadKey,
	}
}

// WarningCodes lists what is accepted and ought to be known.
func WarningCodes() []Code { return []Code{expired, expiresSoon, notYetValid, inactive} }

// FieldError is what is wrong with one field, or a warning about one. The value itself is never repeated.
type FieldError struct {
	Field  string `json:"field"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// Invalid lists what is wrong with a certificate that was sent, field by field; 422 over HTTP.
type Invalid struct{ Fields []FieldError }

// Error names every field and what it must be.
func (e *Invalid) Error() string {
	var parts []string
	for _, f := range e.Fields {
		parts = append(parts, f.Field+" "+f.Detail)
	}
	return strings.Join(parts, "; ")
}
