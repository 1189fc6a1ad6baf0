// Package pushcert knows what an offline push certificate holds: the fields of each platform, and the files that
// platforms give out. It reads what is sent, says what is wrong with it, and tells the secret from the rest. It keeps
// nothing and seals nothing.
package pushcert

// Kind is what a field's value is.
type Kind string

// The kinds of fields, as they stand in JSON.
const (
	Text     Kind = "text"      // a string
	Choice   Kind = "choice"    // one of a few strings
	File     Kind = "file"      // a file in standard base64
	TextFile Kind = "text_file" // a file of text: the text itself, or the file in standard base64
	Action   Kind = "action"    // an object, see ClickAction
)

// Field is one field of a platform.
type Field struct {
	Name     string
	Kind     Kind
	Secret   bool     // write-only: it never comes back
	Optional bool     // it may be absent
	Way      string   // of a platform with two ways of access: the one that the field belongs to; empty for both
	With     string   // the field without which this one cannot be given anew
	Max      int      // characters of a text, bytes of a file
	Choices  []string // of a choice
	Help     string   // what it is and where it comes from, for people

	form form // of a text
}

// Platform is one platform, with its fields in the order in which people are asked for them.
type Platform struct {
	Name   string
	Title  string // as people know it
	Fields []Field
	Reads  []string // what is read from the file and shown with the plain fields

	instead map[string]string // fields that are mistaken for others, with what to send
	finish  func(*draft)      // reads the platform's file
}

// Names of fields that the package's own code speaks of.
const (
	fieldEnvironment    = "environment"
	fieldP12            = "p12"
	fieldPassword       = "password"
	fieldP8             = "p8"
	fieldServiceAccount = "service_account_json"
	fieldPackageName    = "package_name"
	fieldClickAction    = "click_action"

	// Read from files.
	fieldBundleID     = "bundle_id"
	fieldEnvironments = "certificate_environments"
	fieldNotBefore    = "not_before"
	fieldNotAfter     = "not_after"
	fieldProjectID    = "project_id"
	fieldClientEmail  = "client_email"
)

// The environments of Apple's push service.
const (
	production  = "production"
	development = "development"
)

// The two ways to reach FCM.
const (
	wayServiceAccount = "service_account"
	wayLegacy         = "legacy"
)

const (
	maxToken   = 128      // characters of an id or key: those that vendors give out have at most 64
	maxSecret  = 512      // characters of a secret: FCM's server keys, the longest, have some 160
	maxName    = 255      // characters of the name of a package or a class: the limit of Android's file names
	maxBundle  = 155      // characters of a bundle ID: Apple's limit
	maxChannel = 128      // characters of a channel's id
	maxP12     = 64 << 10 // bytes: a push certificate with its key and chain takes 3 to 8 KiB
	maxText    = 16 << 10 // bytes of a service account: Google's have some 2.4 KiB
	maxPEM     = 4 << 10  // bytes of a private key as PEM: RSA of 4,096 bits takes 3.3 KiB, EC P-256 0.25
)

func plain(name string, length int, f form, help string) Field {
	return Field{Name: name, Kind: Text, Max: length, form: f, Help: help}
}

func secret(name, help string) Field {
	return Field{Name: name, Kind: Text, Secret: true, Max: maxSecret, form: token, Help: help}
}

func optional(f Field) Field { f.Optional = true; return f }

func by(way string, f Field) Field { f.Way = way; return f }

// Fields that several platforms have.
var (
	packageName = plain(fieldPackageName, maxName, packageForm, "The app's package name, as in its manifest.")
	appID       = plain("app_id", maxToken, token, "AppID, from the vendor's developer console.")
	appKey      = plain("app_key", maxToken, token, "AppKey, from the vendor's developer console.")
	appSecret   = secret("app_secret", "AppSecret, from the vendor's developer console.")
	channelID   = optional(plain("channel_id", maxChannel, printable, "The notification channel, as registered with the vendor."))
	badgeClass  = optional(plain("badge_class", maxName, classForm, "The class of the activity whose icon shows the number of messages."))
	clickAction = Field{Name: fieldClickAction, Kind: Action, Help: "What a tap on the notification does."}
	environment = Field{
		Name: fieldEnvironment, Kind: Choice, Choices: []string{production, development},
		Help: "Which of Apple's push servers the app is built for.",
	}
)

// platforms is the one table.
var platforms = []Platform{
	{Name: "xiaomi", Title: "Xiaomi", Fields: []Field{packageName, appID, appSecret, channelID, clickAction}},
	{Name: "huawei", Title: "Huawei", Fields: []Field{packageName, appID, appSecret, badgeClass, channelID, clickAction}},
	{Name: "honor", Title: "HONOR", Fields: []Field{
		packageName, appID,
		plain("client_id", maxToken, token, "Client ID, from the vendor's developer console."),
		secret("client_secret", "Client Secret, from the vendor's developer console."),
		badgeClass, clickAction,
	}},
	{Name: "meizu", Title: "Meizu", Fields: []Field{packageName, appID, appSecret, clickAction}},
	{Name: "vivo", Title: "vivo", Fields: []Field{appKey, appID, appSecret, clickAction}},
	{
		Name: "oppo", Title: "OPPO",
		Fields: []Field{
			appKey, appID,
			secret("master_secret", "MasterSecret, from the vendor's developer console; not the AppSecret, with which the push service refuses."),
			channelID, clickAction,
		},
		instead: map[string]string{"app_secret": "is not what pushes to OPPO are made with: send the MasterSecret as master_secret"},
	},
	{
		Name: "fcm", Title: "Google FCM",
		Fields: []Field{
			by(wayServiceAccount, Field{
				Name: fieldServiceAccount, Kind: TextFile, Secret: true, Max: maxText,
				Help: "The service account's key file, from the settings of the Firebase project.",
			}),
			by(wayLegacy, packageName),
			by(wayLegacy, plain("sender_id", maxToken, token, "Sender ID, from the settings of the Firebase project.")),
			by(wayLegacy, secret("server_key", "Server key of the legacy API, from the settings of the Firebase project.")),
			clickAction,
		},
		Reads:  []string{fieldProjectID, fieldClientEmail},
		finish: (*draft).serviceAccount,
	},
	{
		Name: "apns_p12", Title: "Apple APNs, with a certificate",
		Fields: []Field{
			environment,
			{
				Name: fieldP12, Kind: File, Secret: true, With: fieldPassword, Max: maxP12,
				Help: "The push certificate with its private key, exported as p12.",
			},
			{
				Name: fieldPassword, Kind: Text, Secret: true, With: fieldP12, Max: maxToken, form: password,
				Help: "The password with which the p12 was exported; it must not be empty.",
			},
		},
		Reads:  []string{fieldBundleID, fieldEnvironments, fieldNotBefore, fieldNotAfter},
		finish: (*draft).pushCertificate,
	},
	{
		Name: "apns_p8", Title: "Apple APNs, with a key",
		Fields: []Field{
			environment,
			{
				Name: fieldP8, Kind: TextFile, Secret: true, Max: maxPEM,
				Help: "The key file AuthKey_....p8, which Apple gives out once.",
			},
			plain("key_id", 10, tenForm, "Key ID of the key, from Apple's developer site."),
			plain("team_id", 10, tenForm, "Team ID, from the membership details on Apple's developer site."),
			plain(fieldBundleID, maxBundle, bundleForm, "The app's bundle ID."),
		},
		finish: (*draft).pushKey,
	},
	{Name: tpns, Title: "TPNS", Fields: []Field{
		plain("access_id", maxToken, token, "AccessID, from the TPNS console."),
		secret("secret_key", "SecretKey, from the TPNS console."),
		{
			Name: "access_point", Kind: Choice, Choices: []string{"guangzhou", "shanghai", "hongkong", "singapore"},
			Help: "Where the TPNS application was created.",
		},
		{Name: "os", Kind: Choice, Choices: []string{"android", "ios", "macos"}, Help: "The system that the TPNS application is for."},
	}},
}

// Platforms lists what there is, for documentation and the API's description. It is not to be changed.
func Platforms() []Platform { return platforms }

func platformOf(name string) *Platform {
	for i := range platforms {
		if platforms[i].Name == name {
			return &platforms[i]
		}
	}
	return nil
}

// KindOf gives the kind of the fields with this name, which is one on all platforms that have it.
func KindOf(name string) (Kind, bool) {
	for i := range platforms {
		if f := platforms[i].field(name); f != nil {
			return f.Kind, true
		}
	}
	return "", false
}

func (p *Platform) field(name string) *Field {
	for i := range p.Fields {
		if p.Fields[i].Name == name {
			return &p.Fields[i]
		}
	}
	return nil
}
