package notices

// aboutPeople are the notices about who somebody is and what he may do.
func aboutPeople() []Notice {
	return []Notice{
		notice("forbidden", Refusal, "{what}: that is not for you to do", "ask an administrator, or somebody of that site, to do it",
			"{what} : cela ne vous est pas permis", "demandez à un administrateur, ou à quelqu’un de cet établissement"),
		notice("not-signed-in", Refusal, "nobody knows who asks", "log in, or send an API token: `Authorization: Bearer ard_...`",
			"on ne sait pas qui demande", "connectez-vous, ou envoyez un jeton d’API : `Authorization: Bearer ard_...`"),
		notice("cross-site", Refusal, "a page of another site asked for this in your name", "do it from the console's own pages",
			"la page d’un autre site a demandé cela en votre nom", "faites-le depuis les pages de la console"),
		notice("too-fast", Refusal, "this token asks too often", "wait as long as the answer says in Retry-After",
			"ce jeton demande trop souvent", "attendez aussi longtemps que la réponse le dit dans Retry-After"),
		notice("wrong-login", Refusal, "login or password are wrong", "try again; an administrator can send a new link",
			"identifiant ou mot de passe incorrect", "réessayez ; un administrateur peut envoyer un nouveau lien"),
		notice("too-many-tries", Refusal, "too many attempts", "wait a minute, then try again",
			"trop de tentatives", "attendez une minute, puis réessayez"),
		notice("login-busy", Refusal, "many people log in at this moment", "try again in a few seconds",
			"beaucoup de personnes se connectent en ce moment", "réessayez dans quelques secondes"),
		notice("no-session", Refusal, "your session has ended", "log in again", "votre session est terminée", "connectez-vous à nouveau"),
		notice("no-login", Refusal, "there is no session {what}, or it has ended", "`ardoise person session list LOGIN` shows those there are",
			"il n’y a pas de session {what}, ou elle est terminée", "`ardoise person session list IDENTIFIANT` montre celles qui existent"),
		notice("no-token", Refusal, "no API token like this counts", "make another: `ardoise token make NAME --scope read`",
			"aucun jeton d’API de ce genre n’est valable", "faites-en un autre : `ardoise token make NOM --scope read`"),
		notice("wrong-link", Refusal, "this link does not work any more", "ask an administrator for a new one; that of the first "+
			"start is printed again when the server is restarted",
			"ce lien ne fonctionne plus", "demandez-en un nouveau à un administrateur ; celui du premier démarrage est réaffiché au "+
				"redémarrage du serveur"),
		notice("no-person", Refusal, "nobody is called {what}", "`ardoise person list` shows who there is",
			"personne ne s’appelle {what}", "`ardoise person list` montre qui existe"),
		notice("login-taken", Refusal, "somebody else logs in as {what}", "choose another login",
			"quelqu’un d’autre se connecte comme {what}", "choisissez un autre identifiant"),
		notice("bad-login", Usage, "{what} cannot be a login", "use 2 to 64 small letters, digits, dots, hyphens, underscores and @",
			"{what} ne peut pas être un identifiant",
			"utilisez 2 à 64 minuscules, chiffres, points, tirets, soulignés et @"),
		notice("bad-person-name", Usage, "{what} cannot be a name", "use 1 to 100 characters that print",
			"{what} ne peut pas être un nom", "utilisez 1 à 100 caractères imprimables"),
		notice("bad-mail", Usage, "{what} is no mail address", "write it as name@school.example",
			"{what} n’est pas une adresse électronique", "écrivez-la comme nom@lycee.example"),
		notice("bad-role", Usage, "nobody can be {what} of these places", "a technician or reader has sites, a teacher has rooms",
			"personne ne peut être {what} de ces lieux", "un technicien ou un lecteur a des établissements, un enseignant des salles"),
		notice("bad-scope", Usage, "no scope is called {what}", "scopes are read, reset, deploy, capture, computers, masters, people and admin",
			"aucune portée ne s’appelle {what}", "les portées sont read, reset, deploy, capture, computers, masters, people et admin"),
		notice("bad-time", Usage, "this time is past", "choose a time to come, or none", "ce moment est passé",
			"choisissez un moment à venir, ou aucun"),
		notice("last-administrator", Refusal, "{what} is the last administrator who can log in", "make another one first",
			"{what} est le dernier administrateur qui puisse se connecter", "créez-en d’abord un autre"),
		notice("too-many-kept", Refusal, "there are too many already", "forget those that nobody needs",
			"il y en a déjà trop", "oubliez ceux dont personne n’a besoin"),
		notice("not-invited", Refusal, "the provider knows you, this house does not", "ask an administrator to invite your mail address",
			"le fournisseur vous connaît, pas cette maison", "demandez à un administrateur d’inviter votre adresse"),
		notice("role-from-the-provider", Refusal, "the provider says what {what} may do", "change it there",
			"c’est le fournisseur qui dit ce que {what} peut faire", "changez-le là-bas"),
		notice("place-has-people", Refusal, "people are bound to {what}: {detail}",
			"give them other places first: `ardoise person role LOGIN --site SITE`",
			"des personnes sont liées à {what} : {detail}",
			"donnez-leur d’abord d’autres lieux : `ardoise person role IDENTIFIANT --site ÉTABLISSEMENT`"),
		notice("filter-taken", Refusal, "another person has a filter called {what}", "choose another name for yours",
			"une autre personne a un filtre nommé {what}", "choisissez un autre nom pour le vôtre"),
		notice("audit-broken", Damage, "the audit log is not what was written, from entry {what} on: {detail}",
			"keep a copy of the data folder, and look at who could write to it",
			"le journal d’audit n’est pas ce qui a été écrit, à partir de la ligne {what} : {detail}",
			"gardez une copie du dossier de données et cherchez qui pouvait y écrire"),
	}
}

// aboutPasswords are the notices about passwords that somebody chooses.
func aboutPasswords() []Notice {
	return []Notice{
		notice("password-short", Usage, "this password is too short", "use 12 characters or more, such as a sentence of four words",
			"ce mot de passe est trop court", "utilisez 12 caractères ou plus, par exemple une phrase de quatre mots"),
		notice("password-long", Usage, "this password is too long", "use one of at most 256 characters",
			"ce mot de passe est trop long", "utilisez au plus 256 caractères"),
		notice("password-common", Usage, "this password is among those that everybody tries first", "use a sentence of four words or more",
			"ce mot de passe est parmi les premiers que tout le monde essaie", "utilisez une phrase de quatre mots ou plus"),
		notice("password-like-login", Usage, "this password contains the login or the name", "use a sentence of four words or more",
			"ce mot de passe contient l’identifiant ou le nom", "utilisez une phrase de quatre mots ou plus"),
	}
}

// aboutRequests are the notices about what people report to be broken.
func aboutRequests() []Notice {
	return []Notice{
		notice("no-request", Refusal, "there is no such request", "`ardoise request list` shows them",
			"il n’y a pas de telle demande", "`ardoise request list` les montre"),
		notice("no-label", Refusal, "no computer bears this label any more", "tell somebody of the school, and ask for a new label",
			"aucun poste ne porte plus cette étiquette", "prévenez quelqu’un de l’établissement et demandez une nouvelle étiquette"),
		notice("empty-text", Usage, "nothing is written", "say in a few words what is broken", "rien n’est écrit",
			"dites en quelques mots ce qui ne marche pas"),
		notice("text-long", Usage, "this text is too long", "use at most 2000 characters in 40 lines",
			"ce texte est trop long", "utilisez au plus 2000 caractères sur 40 lignes"),
		notice("too-many-requests", Refusal, "much has been reported from here already", "wait for an answer, or tell somebody of the school",
			"beaucoup a déjà été signalé d’ici", "attendez une réponse, ou prévenez quelqu’un de l’établissement"),
		notice("request-closed", Refusal, "this request is closed", "open it again, or report anew",
			"cette demande est close", "rouvrez-la, ou signalez à nouveau"),
		notice("request-not-closed", Refusal, "this request is not closed", "answer it, or close it",
			"cette demande n’est pas close", "répondez-y, ou fermez-la"),
		notice("too-late", Refusal, "this request was closed more than a week ago", "report anew",
			"cette demande est close depuis plus d’une semaine", "signalez à nouveau"),
		notice("too-many-notes", Refusal, "this request has too many answers", "close it, and report anew",
			"cette demande a trop de réponses", "fermez-la et signalez à nouveau"),
		notice("no-place", Usage, "nobody knows what is broken", "name a computer or a room",
			"on ne sait pas ce qui ne marche pas", "nommez un poste ou une salle"),
		notice("bad-label", Usage, "this is no label", "print it anew from the room's page",
			"ce n’est pas une étiquette", "imprimez-la à nouveau depuis la page de la salle"),
	}
}
