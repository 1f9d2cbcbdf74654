/**
 * What `crdt-wasm` says of a connection, in German, by its English words. `$` stands for a name, a number or a code,
 * and `%` for another reason.
 */
export const reasons: Record<string, string> = {
  // The checks of the connection.
  "not reached": "noch nicht geprüft",
  "no server is used, but pages of this browser and your own transports":
    "ohne Server, nur mit Seiten dieses Browsers und eigenen Transporten",
  "this environment has no WebSocket": "dieser Browser hat kein WebSocket",
  "this environment has no WebRTC": "dieser Browser hat kein WebRTC",
  "WebSocket: yes, WebRTC: yes": "WebSocket: ja, WebRTC: ja",
  "WebSocket: yes, WebRTC: no": "WebSocket: ja, WebRTC: nein",
  "no signaling server is used": "ohne vermittelnden Server",
  "connected to the server": "mit dem Server verbunden",
  "connected to $ of $ servers": "mit $ von $ Servern verbunden",
  "not connected: connect() was not called": "nicht verbunden",
  "waiting for the server": "der Server hat noch nicht geantwortet",
  "the server answers": "der Server antwortet",
  "$ others in the room; %": "weitere im Raum: $; %",
  "not in the room yet": "noch nicht im Raum",
  "a server keeps all of the document": "ein Server hat den ganzen Text",
  "$ operations are not kept at a server yet": "Änderungen, die noch kein Server hat: $",
  "$ operations are not kept at a server: %": "Änderungen, die kein Server hat: $ (%)",
  "no server keeps the document: %": "kein Server bewahrt den Text auf: %",
  "what a server keeps is being read": "was der Server hat, wird gerade gelesen",
  "exchanging operations with $": "der Austausch mit $ läuft",
  "making the link to $": "die Verbindung zu $ wird hergestellt",
  "a transport of your own: %": "ein eigener Transport: %",
  "no peer has a problem here": "hier gibt es mit niemandem ein Problem",
  "$ has another event ($, $)": "$ hat eine andere Änderung ($, $)",
  "$ has another text at the same version": "$ hat bei gleicher Version einen anderen Text",
  "$: no direct connection (%); edits go by the link of kind $":
    "$: keine direkte Verbindung (%); Änderungen gehen über $",

  // Why no server keeps the text.
  "the room has no key, so that nothing can be left at a server":
    "der Raum hat keinen Schlüssel, deshalb kann nichts beim Server bleiben",
  "not connected": "nicht verbunden",
  "no signaling server is reached": "kein Server ist zu erreichen",
  "the signaling server keeps no rooms": "der Server bewahrt keine Räume auf",

  // Why someone is not reached.
  "this link's key does not open what it sends: it has another key":
    "der Schlüssel dieses Links öffnet nicht, was von dort kommt: dort ist ein anderer",
  "its page has no key for this room, or cannot use it":
    "die andere Seite hat keinen Schlüssel für diesen Raum oder kann ihn nicht nutzen",
  "the room has a key, and this page was opened without it":
    "der Raum hat einen Schlüssel, und diese Seite wurde ohne ihn geöffnet",
  "what the other end sent does not open with the key here: it has another key, or opened another room, or something changed it on the way":
    "was von der anderen Seite kam, lässt sich mit dem Schlüssel hier nicht öffnen: dort ist ein anderer Schlüssel oder Raum, oder es wurde unterwegs verändert",
  "the other end has not proved that it has this room's key":
    "die andere Seite hat nicht gezeigt, dass sie den Schlüssel dieses Raums hat",
  "direct connections are switched off here": "direkte Verbindungen sind hier abgeschaltet",
  "%, %, and it is no page of this browser": "%, %, und es ist keine Seite dieses Browsers",
  "the relay is switched off here": "der Weg über den Server ist hier abgeschaltet",
  "the relay is off here": "der Weg über den Server ist hier nicht möglich",
  "the peer has no key for the relay": "die andere Seite hat keinen Schlüssel für den Weg über den Server",
  "this page has $ peer connections open already": "diese Seite hat schon $ Verbindungen offen",
  "the browser did not finish a call": "der Browser hat einen Aufruf nicht beendet",
  "the peer did not answer the offer": "die andere Seite antwortet nicht",
  "the connection did not come up in time": "die Verbindung kam nicht rechtzeitig zustande",

  // A peer, with what is the matter with it.
  "$: %": "$: %",
};
