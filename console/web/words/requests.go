package words

// requestsRequest holds the texts that begin with "request.".
func requestsRequest() map[string]Pair {
	return map[string]Pair{
		"request.lead":          {"Ce que les enseignants et les élèves ont signalé.", "What teachers and pupils have reported."},
		"request.states":        {"Demandes à montrer", "Requests to show"},
		"request.tab.open":      {"Ouvertes", "Open"},
		"request.tab.answered":  {"Répondues", "Answered"},
		"request.tab.closed":    {"Closes", "Closed"},
		"request.tab.all":       {"Toutes", "All"},
		"request.open":          {"Ouverte", "Open"},
		"request.answered":      {"Répondue", "Answered"},
		"request.closed":        {"Close", "Closed"},
		"request.number":        {"n° {0}", "no. {0}"},
		"request.title":         {"Demande n° {0}", "Request no. {0}"},
		"request.notes":         {"{n} réponse|{n} réponses", "{n} answer|{n} answers"},
		"request.none":          {"Aucune demande ici", "No requests here"},
		"request.none.open":     {"Rien n’attend de réponse.", "Nothing waits for an answer."},
		"request.none.answered": {"Aucune demande répondue n’attend d’être close.", "No answered request waits to be closed."},
		"request.none.closed":   {"Aucune demande n’a encore été close.", "No request has been closed yet."},
		"request.none.all":      {"Personne n’a encore rien signalé.", "Nobody has reported anything yet."},
		"request.bylabel":       {"par l’étiquette du poste", "by the computer’s label"},
		"request.byname":        {"{0}, par l’étiquette du poste", "{0}, by the computer’s label"},
		"request.see":           {"Voir le poste", "See the computer"},
		"request.talk":          {"Échange", "Conversation"},
		"request.to.open":       {"ouverte", "open"},
		"request.to.answered":   {"répondue", "answered"},
		"request.to.closed":     {"close", "closed"},
		"request.answer.label":  {"Réponse", "Answer"},
		"request.answer.hint":   {"Qui a signalé la panne la lira ici, ou en photographiant de nouveau l’étiquette du poste.", "Who reported it reads it here, or by scanning the computer’s label again."},
		"request.answer":        {"Répondre", "Answer"},
		"request.close":         {"Clore", "Close"},
		"request.reopen":        {"Rouvrir", "Open again"},
		"request.done.answer":   {"La réponse à la demande n° {0} est enregistrée.", "The answer to request no. {0} is kept."},
		"request.done.close":    {"La demande n° {0} est close.", "Request no. {0} is closed."},
		"request.done.reopen":   {"La demande n° {0} est rouverte.", "Request no. {0} is open again."},
	}
}

// requestsSmall holds the short parts: report, label, labelled.
func requestsSmall() map[string]Pair {
	return map[string]Pair{
		"report.title":         {"Signaler une panne", "Report a problem"},
		"report.lead":          {"Un technicien la verra et vous répondra.", "A technician will see it and answer you."},
		"report.what":          {"Poste", "Computer"},
		"report.whole":         {"Toute la salle {0}", "All of room {0}"},
		"report.text":          {"Qu’est-ce qui ne va pas ?", "What is wrong?"},
		"report.hint":          {"En une phrase ou deux : ce que vous faisiez, ce qui s’est passé.", "In a sentence or two: what you were doing, what happened."},
		"report.do":            {"Envoyer", "Send"},
		"report.done":          {"Merci. Votre demande porte le n° {0}.", "Thank you. Your request has no. {0}."},
		"label.title":          {"Étiquettes", "Labels"},
		"label.title.room":     {"Étiquettes de {0}", "Labels of {0}"},
		"label.lead":           {"Imprimez, découpez et collez chaque étiquette sur son poste : en la photographiant, chacun peut signaler une panne sans compte.", "Print, cut and stick each label on its computer: whoever points a phone at it can report a problem without an account."},
		"label.print":          {"Imprimer", "Print"},
		"label.says":           {"Une panne ? Photographiez ce code.", "Something wrong? Scan this code."},
		"label.code":           {"Code pour signaler une panne de {0}", "Code to report a problem of {0}"},
		"label.none":           {"Il n’y a aucun poste à étiqueter", "There is no computer to label"},
		"labelled.title":       {"Signaler une panne de {0}", "Report a problem of {0}"},
		"labelled.ask":         {"Une panne sur ce poste ?", "A problem with this computer?"},
		"labelled.text":        {"Qu’est-ce qui ne va pas ?", "What is wrong?"},
		"labelled.name":        {"Votre nom", "Your name"},
		"labelled.name.hint":   {"Facultatif, pour que l’on puisse vous demander des précisions.", "Optional, so that somebody can ask you more."},
		"labelled.thanks":      {"Merci !", "Thank you!"},
		"labelled.thanks.says": {"C’est envoyé. Un technicien s’en occupe ; photographiez de nouveau l’étiquette pour lire sa réponse.", "It is sent. A technician will look after it; scan the label again to read the answer."},
		"labelled.gone":        {"Cette étiquette n’est plus valable", "This label is not good any more"},
		"labelled.gone.do":     {"Elle a été remplacée, ou le poste n’est plus là. Dites-le à un enseignant ou à un technicien.", "It was replaced, or the computer is gone. Tell a teacher or a technician."},
	}
}
